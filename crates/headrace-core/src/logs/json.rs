//! Entries as they are posted to `/`: one object, an array of them, or one a line.
//!
//! `{"Level": "INFO", "Timestamp": "2026-11-23T12:00:00Z", "Source": "blog", "Message": "..."}`, names in any case; only the
//! message must be there. Further members are kept as they came, on one line.
//!
//! A body is read in one pass (`intake::Scan`). Lines are read one by one, so that what is wrong with one leaves the others
//! alone; only where the first line does not end where its JSON does, the body may be one object on many lines. Most
//! lines, and arrays on one line, are *clean* (`intake::is_clean`): their strings are taken as they stand.

use std::{borrow::Cow, str::from_utf8};

use serde_json::value::RawValue;

use super::{
    batch::{Batch, Draft, Wrong, level_of, push_field, text},
    timestamp::Clock,
};
use crate::intake::{MAX_DEPTH, Scan, is_clean, one_line, sound};

/// Why nothing of a body can be read.
pub type Malformed = String;

/// Adds the entries of `body` to `batch`.
pub fn read(body: &[u8], batch: &mut Batch) -> Result<(), Malformed> {
    batch.expect(body.len());
    match body.trim_ascii_start().first() {
        None => Err("The body is empty.".to_owned()),
        Some(b'[') => read_array(utf8(body)?, batch),
        Some(_) => {
            read_lines(body, batch);
            Ok(())
        }
    }
}

pub(super) fn utf8(body: &[u8]) -> Result<&str, Malformed> {
    from_utf8(body).map_err(|error| format!("The body is not UTF-8 from byte {} on.", error.valid_up_to()))
}

fn read_array(text: &str, batch: &mut Batch) -> Result<(), Malformed> {
    let read = match is_clean(text.as_bytes()) {
        true => read_elements::<true>(text, batch),
        false => read_elements::<false>(text, batch),
    };
    if read.is_some() {
        return Ok(());
    }
    // It is no JSON, or some of it nests too deep.
    let values: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    batch.clear();
    let mut clock = Clock::default();
    for value in values {
        batch.add(alone(value.get(), &mut clock));
    }
    Ok(())
}

fn read_elements<const CLEAN: bool>(text: &str, batch: &mut Batch) -> Option<()> {
    let mut clock = Clock::default();
    whole(text, |scan: &mut Scan<'_, CLEAN>| {
        scan.array(|scan| {
            batch.add(entry(scan, &mut clock)?);
            Some(())
        })
    })
}

fn read_lines(body: &[u8], batch: &mut Batch) {
    let mut clock = Clock::default();
    // Where all of it is UTF-8 no line has to be asked.
    let text = from_utf8(body).ok();
    let mut start = 0;
    while start < body.len() {
        let end = memchr::memchr(b'\n', &body[start..]).map_or(body.len(), |length| start + length);
        let line = text.map_or_else(|| utf8(&body[start..end]), |text| Ok(&text[start..end]));
        start = end + 1;
        let entry = match line.map(str::trim_ascii) {
            Ok("") => continue,
            Ok(line) => alone(line, &mut clock),
            Err(wrong) => Err(wrong.into()),
        };
        if entry.is_err()
            && batch.is_empty()
            && let Some(object) = on_many_lines(&body[..end], body, &mut clock)
        {
            batch.add(object);
            return;
        }
        batch.add(entry);
    }
}

/// The one entry that all of `body` is, where it goes on behind its first line.
fn on_many_lines<'a>(first: &[u8], body: &'a [u8], clock: &mut Clock) -> Option<Result<Draft<'a>, Wrong>> {
    let cut = serde_json::from_slice::<&RawValue>(first).is_err_and(|error| error.is_eof());
    cut.then(|| from_utf8(body).ok())
        .flatten()
        .and_then(|text| whole(text, |scan: &mut Scan<'a>| entry(scan, clock)))
}

/// What `read` makes of a text that holds nothing else.
fn whole<'a, T, const CLEAN: bool>(text: &'a str, read: impl FnOnce(&mut Scan<'a, CLEAN>) -> Option<T>) -> Option<T> {
    let mut scan = Scan::at_start(text);
    scan.space();
    let value = read(&mut scan)?;
    scan.space();
    scan.is_at_end().then_some(value)
}

/// The entry that is all of `text`.
fn alone<'a>(text: &'a str, clock: &mut Clock) -> Result<Draft<'a>, Wrong> {
    let read = match is_clean(text.as_bytes()) {
        true => whole(text, |scan: &mut Scan<'a, true>| entry(scan, clock)),
        false => whole(text, |scan: &mut Scan<'a>| entry(scan, clock)),
    };
    read.unwrap_or_else(|| match serde_json::from_str::<&RawValue>(text) {
        Ok(_) => Err(format!("It nests deeper than {MAX_DEPTH} levels.").into()),
        Err(error) => Err(not_json(&error).into()),
    })
}

fn not_json(error: &serde_json::Error) -> Malformed {
    format!("Not JSON: {error}.")
}

/// The entry that stands at the place of `scan`; none where no JSON does.
fn entry<'a, const CLEAN: bool>(scan: &mut Scan<'a, CLEAN>, clock: &mut Clock) -> Option<Result<Draft<'a>, Wrong>> {
    if scan.peek()? != b'{' {
        scan.spanned()?;
        return Some(Err("An entry is a JSON object.".into()));
    }
    let mut members = Members::<CLEAN>::default();
    scan.object(|name, value| members.add(name, value))?;
    Some(members.draft(clock))
}

/// Members that mean something here.
const OWN: [&str; 4] = ["Level", "Timestamp", "Source", "Message"];

/// The members of an entry's object, as they stand there.
#[derive(Default)]
struct Members<'a, const CLEAN: bool> {
    /// Those of `OWN`, in that order.
    own: [Option<&'a str>; OWN.len()],
    fields: String,
    twice: Option<&'static str>,
}

impl<'a, const CLEAN: bool> Members<'a, CLEAN> {
    fn add(&mut self, name: &'a str, value: &'a str) {
        let plain = &name[1..name.len() - 1];
        let escaped = !CLEAN && plain.contains('\\');
        if let Some(own) = if escaped { own(&text(name)) } else { own(plain) } {
            if self.own[own].replace(value).is_some() {
                self.twice = Some(OWN[own]);
            }
            return;
        }
        match CLEAN {
            true => push_field(&mut self.fields, name, value),
            false => push_field(&mut self.fields, &sound(name), &one_line(&sound(value))),
        }
    }

    fn draft(self, clock: &mut Clock) -> Result<Draft<'a>, Wrong> {
        if let Some(name) = self.twice {
            return Err(format!("{name} is there twice.").into());
        }
        let [level, said, source, message] = self.own.map(|value| value.filter(|value| *value != "null"));
        let Some(message) = message else {
            return Err("Message is missing.".into());
        };
        let time = said.map(|said| {
            clock
                .read(&Self::text(said))
                .ok_or("Timestamp is neither RFC 3339 nor a number since 1970.")
        });
        Ok(Draft {
            time: time.transpose()?,
            said: said.unwrap_or_default(),
            level: level.map_or(Cow::Borrowed(""), |level| level_of(Self::text(level))),
            source: source.map_or(Cow::Borrowed(""), Self::flat),
            message: Self::flat(message),
            fields: self.fields,
        })
    }

    /// What a string says, any other value as it stands.
    fn text(value: &str) -> Cow<'_, str> {
        match value.as_bytes() {
            [b'"', .., b'"'] if CLEAN => value[1..value.len() - 1].into(),
            _ => text(value),
        }
    }

    /// The same, on one line.
    fn flat(value: &str) -> Cow<'_, str> {
        match value.as_bytes().first() {
            Some(b'"') => Self::text(value),
            _ => one_line(value),
        }
    }
}

/// The place in `OWN` of a name, in any case. As they are mostly written they are found without a loop.
fn own(name: &str) -> Option<usize> {
    match name {
        "Level" => Some(0),
        "Timestamp" => Some(1),
        "Source" => Some(2),
        "Message" => Some(3),
        _ => OWN.iter().position(|own| own.eq_ignore_ascii_case(name)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{
        super::{
            batch::{Arrival, MAX_AHEAD},
            entry::{Entry, Mark},
        },
        *,
    };

    const NOW: i64 = 1_774_000_000_000_000_000;

    fn batch(body: &[u8]) -> Result<Batch, Malformed> {
        let mut batch = Batch::new(Arrival::new(NOW, MAX_AHEAD));
        read(body, &mut batch).map(|()| batch)
    }

    /// What one entry becomes: mark, level, source, message, fields.
    fn one(body: &str) -> (Mark, [String; 4]) {
        let batch = batch(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
        let entries = batch.entries();
        let entry = entries.first().and_then(|bytes| Entry::decode(bytes));
        let entry = entry.unwrap_or_else(|| panic!("{body}: {:?}", batch.errors()));
        assert_eq!((entries.len(), batch.refused()), (1, 0), "{body}");
        (
            entry.mark,
            [entry.level, entry.source, entry.message, entry.fields].map(str::to_owned),
        )
    }

    #[test]
    fn an_entry_is_read_whatever_the_case_of_its_names() {
        for (body, expected) in [
            (
                r#"{"Level":"INFO","Timestamp":"2026-03-20T09:46:40Z","Source":"blog","Message":"hello"}"#,
                ["INFO", "blog", "hello", ""],
            ),
            (
                r#"{"MESSAGE":"m","level":"warn","timestamp":1774000000,"sOURCE":"s"}"#,
                ["WARNING", "s", "m", ""],
            ),
            (
                r#"{"message":"m","level":3,"timestamp":1,"user": {"id" : 7},"tags":[1, 2]}"#,
                ["ERROR", "", "m", r#"{"user":{"id" : 7},"tags":[1, 2]}"#],
            ),
            (
                r#"{"message":"m","level":"20","timestamp":"1774000000.5"}"#,
                ["INFO", "", "m", ""],
            ),
            (
                r#"{"message":42,"level":"audit","timestamp":1,"source":null}"#,
                ["audit", "", "42", ""],
            ),
            (
                r#"{"message":"\ud83d\n\u0000;","timestamp":1,"\ud83d":"\ud83d"}"#,
                ["", "", "\u{fffd}\n\0;", r#"{"\ufffd":"\ufffd"}"#],
            ),
            (
                "{\n \"message\": {\n\"a\": 1\n},\n\"timestamp\":1\n}",
                ["", "", "{ \"a\": 1 }", ""],
            ),
            (r#"  [ {"m\u0065ssage": "m", "timestamp":1} ]  "#, ["", "", "m", ""]),
        ] {
            assert_eq!(one(body), (Mark::None, expected.map(str::to_owned)), "{body}");
        }
    }

    #[test]
    fn a_time_is_judged_and_what_was_said_is_kept() {
        assert_eq!(one(r#"{"message":""}"#).0, Mark::Undated);
        assert_eq!(one(r#"{"message":"","timestamp":null}"#).0, Mark::Undated);
        for said in [
            r#""9999-12-31T23:59:59Z""#,
            "1e400",
            "99999999999999999999",
            r#""0001-01-01T00:00:00Z""#,
        ] {
            let (mark, [.., fields]) = one(&format!(r#"{{"message":"","timestamp":{said},"a":1}}"#));
            assert_eq!(
                (mark, fields),
                (Mark::Clamped, format!(r#"{{"a":1,"timestamp":{said}}}"#))
            );
        }
    }

    #[test]
    fn what_is_wrong_with_one_leaves_the_others_alone() {
        let good = r#"{"message":"m"}"#;
        let deep = format!(r#"{{"message":"m","a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        for (bad, why) in [
            ("1", "is a JSON object"),
            ("null", "is a JSON object"),
            ("[]", "is a JSON object"),
            ("{}", "Message is missing"),
            (r#"{"message":null}"#, "Message is missing"),
            (r#"{"message":"a","Message":"b"}"#, "Message is there twice"),
            (r#"{"message":"a","timestamp":"yesterday"}"#, "Timestamp is neither"),
            (r#"{"message":"a","timestamp":true}"#, "Timestamp is neither"),
            (r#"{"message":"a","timestamp":""}"#, "Timestamp is neither"),
            (deep.as_str(), "nests deeper than 128"),
        ] {
            let array = format!("[{good},{bad},{good}]");
            let lines = format!("{good}\n\n{bad}\r\n{good}\n");
            for body in [array, lines] {
                let batch = batch(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
                assert_eq!((batch.accepted(), batch.refused()), (2, 1), "{body}");
                let errors = batch.errors();
                assert!(errors[0].0 == 1 && errors[0].1.contains(why), "{body}: {errors:?}");
            }
        }
        for bad in [
            "{",
            "nonsense",
            r#"{"message":"m"} {"message":"m"}"#,
            "{\"message\":\"\u{7}\"}",
            r#"{"message":NaN}"#,
        ] {
            let body = format!("{good}\n{bad}\n{good}");
            let told = batch(body.as_bytes()).map(|batch| (batch.accepted(), batch.errors()[0].1.contains("Not JSON")));
            assert_eq!(told, Ok((2, true)), "{body}");
            assert!(batch(format!("[{good},{bad}]").as_bytes()).is_err(), "{bad}");
        }
        let latin = [good.as_bytes(), b"\n{\"message\":\"\xfc\"}\n", good.as_bytes()].concat();
        assert_eq!(
            batch(&latin).map(|batch| (batch.accepted(), batch.refused())),
            Ok((2, 1))
        );
    }

    #[test]
    fn what_holds_nothing_is_told_apart_from_what_holds_no_json() {
        assert_eq!(batch(b"[]").map(|batch| batch.accepted()), Ok(0));
        assert!(batch(b"").is_err() && batch(b" \n").is_err() && batch(b"[1").is_err());
        assert!(batch(b"[\"\xff\"]").is_err_and(|error| error.contains("not UTF-8 from byte 2")));
    }

    #[test]
    fn a_long_message_and_a_crowd_of_broken_lines_take_no_time() {
        let long = "x".repeat(1 << 20);
        assert_eq!(one(&format!(r#"{{"message":"{long}"}}"#)).1[2], long);
        for line in ["[", "{", "{\"a\":", "1"] {
            let body = format!("{{\n{}", format!("{line}\n").repeat(200_000));
            let batch = batch(body.as_bytes());
            assert_eq!(
                batch.map(|batch| (batch.refused(), batch.errors().len())),
                Ok((200_001, 100))
            );
        }
    }

    /// What becomes of a text that is an entry.
    fn told<const CLEAN: bool>(text: &str) -> Option<Vec<String>> {
        let mut batch = Batch::new(Arrival::new(NOW, MAX_AHEAD));
        let mut clock = Clock::default();
        let read = whole(text, |scan: &mut Scan<'_, CLEAN>| entry(scan, &mut clock));
        batch.add(read?);
        Some(batch.told())
    }

    fn entries() -> impl Strategy<Value = Vec<(String, String, String)>> {
        prop::collection::vec((any::<String>(), any::<String>(), any::<String>()), 1..8)
    }

    proptest! {
        #[test]
        fn all_forms_of_a_body_say_the_same(entries in entries()) {
            let values: Vec<Value> = entries.iter().map(|(source, message, field)| {
                json!({"Level": "INFO", "Timestamp": 1, "Source": source, "Message": message, "x": field})
            }).collect();
            let array = Value::from(values.clone()).to_string();
            let pretty = serde_json::to_string_pretty(&values).unwrap_or_default();
            let lines: Vec<_> = values.iter().map(Value::to_string).collect();
            let lines = lines.join("\n");
            for body in [&array, &pretty, &lines] {
                let batch = batch(body.as_bytes()).map_err(TestCaseError::fail)?;
                let read: Vec<_> = batch.entries().into_iter().filter_map(|bytes| Entry::decode(bytes).map(|entry| {
                    let fields: Value = serde_json::from_str(entry.fields).unwrap_or_default();
                    (entry.source.to_owned(), entry.message.to_owned(), fields["x"].as_str().unwrap_or_default().to_owned())
                })).collect();
                prop_assert_eq!(&read, &entries);
            }
        }

        #[test]
        fn what_is_clean_is_read_as_anything_else_is(
            names in prop::collection::vec("[lL]evel|LEVEL|[tT]imestamp|sourCe|Source|[mM]essage|[ -~]{0,12}", 0..6),
            values in prop::collection::vec(r#""[ -~]{0,40}"|-?[0-9]{1,20}|"2026-11-2[0-9]T12:00:00(\.[0-9]{1,9})?Z"|null|\{"a" ?: ?\[1, ?"b"\]\}"#, 6),
            cut in r#"[\[\]{}":, a-z0-9]{0,3}"#, at in any::<prop::sample::Index>(), broken in any::<bool>()
        ) {
            let members: Vec<_> = names.iter().zip(&values).map(|(name, value)| format!("\"{name}\": {value}")).collect();
            let mut text = format!("{{{}}}", members.join(", "));
            if broken {
                let at = at.index(text.len());
                text.replace_range(at..=at, &cut);
            }
            if is_clean(text.as_bytes()) {
                let clean = told::<true>(&text);
                prop_assert_eq!(clean.is_some(), serde_json::from_str::<&RawValue>(&text).is_ok(), "{}", text);
                prop_assert_eq!(clean, told::<false>(&text), "{}", text);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), near in r#"[\[\]{}":,\\ a-zM0-9\n]{0,60}"#) {
            let _ = (batch(&body), batch(near.as_bytes()));
        }
    }
}
