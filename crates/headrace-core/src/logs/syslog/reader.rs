//! What a message says: its priority, then either form of header, then the text.

use std::{borrow::Cow, str::from_utf8};

use super::{
    json, modern,
    traditional::{self, Here},
};
use crate::logs::{
    batch::{Batch, Draft},
    level,
    timestamp::Clock,
};

/// The facility and severity of a message that tells none: user, notice (RFC 3164, 4.3.3).
const UNTOLD: u8 = USER * 8 + 5;
/// Left out of the fields: what is sent by programs that were told nothing else.
const USER: u8 = 1;
/// Names of the facilities as syslog's tools have them (RFC 5424, table 1).
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// Reads messages that come together.
#[derive(Debug)]
pub struct Reader {
    here: Here,
    clock: Clock,
}

impl Reader {
    /// `offset` is how many seconds the clocks of senders are ahead of UTC that tell no zone.
    pub fn new(now: i64, offset: i32) -> Self {
        let offset = i64::from(offset) * crate::calendar::SECOND;
        Self {
            here: Here { now, offset },
            clock: Clock::default(),
        }
    }

    /// Adds a message to `batch`; whether it had a form that is known. One without is taken as a text.
    pub fn add(&mut self, message: &[u8], batch: &mut Batch) -> bool {
        // The lossy reading alone takes several times as long where nothing is lost.
        let text = from_utf8(message).map_or_else(|_| String::from_utf8_lossy(message), Cow::Borrowed);
        let (draft, known) = self.draft(&text);
        batch.add(Ok(draft));
        known
    }

    fn draft<'a>(&mut self, text: &'a str) -> (Draft<'a>, bool) {
        let told = priority(text);
        let (priority, rest) = told.unwrap_or((UNTOLD, text));
        let mut fields = String::new();
        let facility = priority / 8;
        if facility != USER {
            json::push_text(&mut fields, "facility", FACILITIES[usize::from(facility)]);
        }
        let mut draft = Draft {
            level: Cow::Borrowed(level::numbered(i64::from(priority % 8)).unwrap_or_default()),
            ..Draft::default()
        };
        let versioned = told.and_then(|_| rest.strip_prefix("1 "));
        if let Some(read) = versioned.and_then(|rest| modern::read(rest, &mut self.clock, &mut fields)) {
            (draft.time, draft.said) = (read.time, read.said);
            (draft.source, draft.message) = (read.source.into(), read.message.into());
        } else if let Some(read) = told.and_then(|_| traditional::read(rest, self.here, &mut self.clock, &mut fields)) {
            (draft.time, draft.said) = (Some(read.time), read.said);
            (draft.source, draft.message) = (read.source.into(), read.message.into());
        } else {
            draft.message = rest.into();
            draft.fields = fields;
            return (draft, told.is_some() && versioned.is_none());
        }
        draft.fields = fields;
        (draft, true)
    }
}

/// The priority in its brackets, and what follows; none where there is no such one.
fn priority(text: &str) -> Option<(u8, &str)> {
    let (end, _) = text.bytes().enumerate().take(5).find(|(_, byte)| *byte == b'>')?;
    let digits = text[..end].strip_prefix('<')?;
    let plain = digits == "0" || !digits.starts_with(['0', '+']);
    let number: u8 = digits.parse().ok().filter(|_| plain)?;
    (usize::from(number / 8) < FACILITIES.len()).then(|| (number, &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        calendar::Moment,
        logs::{
            batch::{Arrival, MAX_AHEAD},
            entry::{Entry, Mark},
        },
    };

    const HOUR: i32 = 3600;

    fn at(text: &str) -> i64 {
        match crate::logs::timestamp::read(text) {
            Some(crate::logs::timestamp::Told::At(time)) => time,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// Level, source, message and fields of a message that comes at noon, and whether its form is known.
    fn read(message: &[u8]) -> (String, bool) {
        let now = at("2026-11-23T12:00:00Z");
        let (mut reader, mut batch) = (Reader::new(now, 0), Batch::new(Arrival::new(now, MAX_AHEAD)));
        let known = reader.add(message, &mut batch);
        let entries = batch.entries();
        let entry = entries
            .first()
            .and_then(|bytes| Entry::decode(bytes))
            .unwrap_or_default();
        let time = Moment::of(entry.time);
        let mark = match entry.mark {
            Mark::None => "",
            Mark::Undated => " undated",
            Mark::Clamped => " clamped",
        };
        let Moment {
            month,
            day,
            hour,
            minute,
            second,
            ..
        } = time;
        let stamp = format!("{month}-{day} {hour}:{minute}:{second}{mark}");
        let Entry {
            level,
            source,
            message,
            fields,
            ..
        } = entry;
        (format!("{stamp};{level};{source};{message};{fields}"), known)
    }

    #[test]
    fn messages_of_rfc_5424_are_read() {
        for (message, expected) in [
            (
                "<34>1 2026-11-23T11:14:15.003Z mymachine.example.com su - ID47 - 'su root' failed",
                r#"11-23 11:14:15;CRITICAL;su;'su root' failed;{"facility":"auth","hostname":"mymachine.example.com","msgid":"ID47"}"#,
            ),
            (
                "<165>1 2026-11-23T03:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time",
                r#"11-23 10:14:15;NOTICE;myproc;%% It's time;{"facility":"local4","hostname":"192.0.2.1","procid":"8710"}"#,
            ),
            (
                "<14>1 - - app - - [a@1 b=\"c\" d=\"\\\"\\]\\\\\\x\u{fc}\"][e@1] \u{feff}text",
                r#"11-23 12:0:0 undated;INFO;app;text;{"a@1":{"b":"c","d":"\"]\\\\x\u{fc}"},"e@1":{}}"#,
            ),
            ("<14>1 - - - - - -", "11-23 12:0:0 undated;INFO;;;"),
            ("<14>1 - - - - - - ", "11-23 12:0:0 undated;INFO;;;"),
            (
                "<14>1 2027-11-23T12:00:00Z - app - - - later",
                r#"11-23 12:0:0 clamped;INFO;app;later;{"timestamp":"2027-11-23T12:00:00Z"}"#,
            ),
        ] {
            assert_eq!(
                read(message.as_bytes()),
                (expected.replace("\\u{fc}", "\u{fc}"), true),
                "{message}"
            );
        }
    }

    #[test]
    fn messages_of_rfc_3164_are_read_as_they_are_sent() {
        for (message, expected) in [
            (
                "<34>Nov 23 11:14:15 mymachine su: 'su root' failed for lonvick",
                r#"11-23 11:14:15;CRITICAL;su;'su root' failed for lonvick;{"facility":"auth","hostname":"mymachine"}"#,
            ),
            (
                "<14>Nov  3 11:14:15 haproxy[7]: up",
                r#"11-3 11:14:15;INFO;haproxy;up;{"procid":"7"}"#,
            ),
            (
                "<14>Nov 23 11:14:15 web1 postfix/smtpd[81]:x",
                r#"11-23 11:14:15;INFO;postfix/smtpd;x;{"hostname":"web1","procid":"81"}"#,
            ),
            (
                "<14>Nov 23 11:14:15 web1 no tag here",
                r#"11-23 11:14:15;INFO;;no tag here;{"hostname":"web1"}"#,
            ),
            (
                "<14>Nov 23 11:14:15.25: web1 %SYS-5: x",
                r#"11-23 11:14:15;INFO;%SYS-5;x;{"hostname":"web1"}"#,
            ),
            (
                "<14>2026-11-23T11:14:15+01:00 web1 app: x",
                r#"11-23 10:14:15;INFO;app;x;{"hostname":"web1"}"#,
            ),
            ("<14>Nov 23 11:14:15", "11-23 11:14:15;INFO;;;"),
            ("<14>hello", "11-23 12:0:0 undated;INFO;;hello;"),
            ("<14>app: Nov 23", "11-23 12:0:0 undated;INFO;;app: Nov 23;"),
            (
                "<14>Nov 31 11:14:15 web1 x",
                "11-23 12:0:0 undated;INFO;;Nov 31 11:14:15 web1 x;",
            ),
            ("<14>", "11-23 12:0:0 undated;INFO;;;"),
            (
                "<0>a\nb;c",
                "11-23 12:0:0 undated;PANIC;;a\nb;c;{\"facility\":\"kern\"}",
            ),
        ] {
            assert_eq!(read(message.as_bytes()), (expected.to_owned(), true), "{message}");
        }
    }

    #[test]
    fn what_has_no_known_form_is_a_text_of_its_own() {
        for (message, text) in [
            (&b"hello"[..], "NOTICE;;hello;"),
            (b"<192>hello", "NOTICE;;<192>hello;"),
            (b"<014>hello", "NOTICE;;<014>hello;"),
            (b"<+14>hello", "NOTICE;;<+14>hello;"),
            (b"<>hello", "NOTICE;;<>hello;"),
            (b"<14hello", "NOTICE;;<14hello;"),
            (b"Nov 23 11:14:15 web1 su: x", "NOTICE;;Nov 23 11:14:15 web1 su: x;"),
            (b"<14>1 yesterday a b c d - x", "INFO;;1 yesterday a b c d - x;"),
            (b"<14>1 - a b c d [x", "INFO;;1 - a b c d [x;"),
            (b"<14>1 - a b c d [x y=\"\\", "INFO;;1 - a b c d [x y=\"\\;"),
            (b"<14>1 - a", "INFO;;1 - a;"),
            (b"\xff\0", "NOTICE;;\u{fffd}\0;"),
        ] {
            assert_eq!(
                read(message),
                (format!("11-23 12:0:0 undated;{text}"), false),
                "{message:?}"
            );
        }
    }

    #[test]
    fn a_time_without_a_year_is_the_nearest_and_one_without_a_zone_is_that_of_the_clocks_here() {
        for (now, offset, said, expected) in [
            ("2027-01-01T00:00:01Z", 0, "Dec 31 23:59:59", "2026-12-31T23:59:59Z"),
            ("2026-12-31T23:59:59Z", 0, "Jan  1 00:00:01", "2027-01-01T00:00:01Z"),
            ("2026-07-01T12:00:00Z", 2, "Jul  1 14:00:00", "2026-07-01T12:00:00Z"),
            ("2026-07-01T12:00:00Z", -5, "Jul 01 07:00:00", "2026-07-01T12:00:00Z"),
            ("2027-01-01T03:00:00Z", -5, "Dec 31 22:00:00", "2027-01-01T03:00:00Z"),
            ("2028-03-01T00:00:00Z", 0, "feb 29 23:00:00", "2028-02-29T23:00:00Z"),
        ] {
            let arrival = Arrival::new(at(now), MAX_AHEAD);
            let mut batch = Batch::new(arrival);
            Reader::new(at(now), offset * HOUR).add(format!("<14>{said} h t: m").as_bytes(), &mut batch);
            assert_eq!(
                batch.entries().first().and_then(|bytes| Entry::time_of(bytes)),
                Some(at(expected)),
                "{said}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_message_is_one_entry_whose_fields_are_json_on_a_line(
            head in prop::sample::select(&["", "<14>", "<14>1 - h a p m ", "<14>1 - - - - - [x y=\"", "<14>Nov 23 11:14:15 "][..]),
            rest in prop::collection::vec(prop::sample::select(&b"<>[]=\\\" :-1aZ\n\0\x80\xc3\xbc"[..]), 0..40),
        ) {
            let mut batch = Batch::new(Arrival::new(0, MAX_AHEAD));
            Reader::new(0, 0).add(&[head.as_bytes(), &rest[..]].concat(), &mut batch);
            let entries = batch.entries();
            prop_assert_eq!(entries.len(), 1);
            let entry = Entry::decode(entries[0]).unwrap_or_default();
            prop_assert!(!entry.fields.contains(['\n', '\r']));
            prop_assert!(entry.fields.is_empty() || serde_json::from_str::<serde_json::Value>(entry.fields).is_ok(), "{}", entry.fields);
        }
    }
}
