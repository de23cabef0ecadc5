//! Conditional requests: those of clients, answered from what is stored, and ours, that ask whether it still holds
//! (RFC 9111, 4.3; RFC 9110, 13).

use super::freshness::seconds_of;
use crate::http::fields::{Field, Fields, Known};

/// Whether a client that asks with `request` has the stored response already, so that 304 is the answer (RFC 9111, 4.3.2).
/// `kept_since` is when that came, which stands in for dates that it does not have.
pub fn has_already<'a>(request: &Fields, stored: impl Fn(&[u8]) -> Option<&'a [u8]>, kept_since: u64) -> bool {
    let mut tags = request.get_all(b"if-none-match").peekable();
    if tags.peek().is_some() {
        let etag = stored(b"etag");
        return tags.any(|line| lists(line, etag));
    }
    let Some(since) = request.get(b"if-modified-since").and_then(seconds_of) else {
        return false;
    };
    let changed = stored(b"last-modified")
        .or_else(|| stored(b"date"))
        .and_then(seconds_of);
    changed.unwrap_or(kept_since) <= since
}

/// Whether an `If-None-Match` names `etag`, weakly (RFC 9110, 13.1.2); `*` names every one, and what has none.
fn lists(line: &[u8], etag: Option<&[u8]>) -> bool {
    if line.trim_ascii() == b"*" {
        return true;
    }
    let Some(etag) = etag else {
        return false;
    };
    let mut rest = line;
    while let Some((tag, after)) = next_tag(rest) {
        if opaque(tag) == opaque(etag) {
            return true;
        }
        rest = after;
    }
    false
}

/// The first entity tag of a list and what comes after it. Commas may be within.
fn next_tag(list: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = list.iter().position(|byte| !b", \t".contains(byte))?;
    let list = list.get(start..)?;
    let quote = if list.starts_with(b"W/") { 2 } else { 0 };
    if list.get(quote) != Some(&b'"') {
        // No entity tag: what some send without quotes, up to the comma.
        let end = memchr::memchr(b',', list).unwrap_or(list.len());
        return Some((list.get(..end)?.trim_ascii_end(), list.get(end..)?));
    }
    let end = quote + 2 + memchr::memchr(b'"', list.get(quote + 1..)?)?;
    Some(list.split_at(end))
}

/// An entity tag without the mark of a weak one.
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Whether it marks one sequence of bytes and no other (RFC 9110, 8.8.1).
pub fn is_strong(tag: &[u8]) -> bool {
    !tag.starts_with(b"W/")
}

/// Whether a stored response can be asked after.
pub fn has_validator(stored: &Fields) -> bool {
    stored.get(b"etag").is_some() || stored.get(b"last-modified").and_then(seconds_of).is_some()
}

/// Makes of a client's request ours, that asks whether the stored response still holds (RFC 9111, 4.3.1): its conditions go, for
/// they may speak of another one.
pub fn ask_whether_it_holds<'a>(request: &mut Fields, stored: impl Fn(&[u8]) -> Option<&'a [u8]>) {
    request.retain(|field| field.known != Known::Condition && field.known != Known::Range);
    if let Some(etag) = stored(b"etag") {
        request.push(b"If-None-Match", etag);
    }
    if let Some(changed) = stored(b"last-modified").filter(|value| seconds_of(value).is_some()) {
        request.push(b"If-Modified-Since", changed);
    }
}

/// Whether a 304 with these fields speaks of the stored response (RFC 9111, 4.3.4). One without validators does, though the RFC
/// wants that only of a stored response without any: it is the answer to a condition with this one's.
pub fn speaks_of<'a>(update: &Fields, stored: impl Fn(&[u8]) -> Option<&'a [u8]>) -> bool {
    if let Some(etag) = update.get(b"etag") {
        return stored(b"etag").is_some_and(|before| match is_strong(etag) {
            true => etag == before,
            false => opaque(etag) == opaque(before),
        });
    }
    match update.get(b"last-modified") {
        Some(changed) => stored(b"last-modified").is_none_or(|before| before == changed),
        None => true,
    }
}

/// Whether a response to HEAD is that of the stored one, as far as its validators tell (RFC 9111, 4.3.5).
pub fn matches_head<'a>(head: &Fields, stored: impl Fn(&[u8]) -> Option<&'a [u8]>) -> bool {
    let mut validators = [b"etag".as_slice(), b"last-modified"].into_iter();
    validators.all(|name| head.get(name).is_none_or(|value| stored(name) == Some(value)))
}

/// The stored fields with those of a 304 in their place (RFC 9111, 3.2). What says how the body is to be read stays, since the
/// body does.
pub fn freshened(stored: &Fields, update: &Fields) -> Fields {
    let mut fields = Fields::new();
    let replaced = |field: &Field<'_>| update.iter().any(|new| new.name.eq_ignore_ascii_case(field.name));
    for field in stored.iter().filter(|field| frames_body(field) || !replaced(field)) {
        // An old age says nothing of the new response (4.2.3).
        if field.known != Known::Age {
            fields.push(field.name, field.value);
        }
    }
    for field in update.iter().filter(|field| !frames_body(field)) {
        fields.push(field.name, field.value);
    }
    fields
}

fn frames_body(field: &Field<'_>) -> bool {
    matches!(
        field.known,
        Known::ContentEncoding | Known::ContentLength | Known::ContentRange
    )
}

/// Whether a field of a stored response goes with a 304 (RFC 9110, 15.4.5): what describes a body has none there.
pub fn goes_with_304(field: &Field<'_>) -> bool {
    let describes = field.known == Known::ContentType || field.name.eq_ignore_ascii_case(b"content-language");
    !frames_body(field) && !describes
}

#[cfg(test)]
mod tests {
    use super::{super::tests::fields, *};

    const CHANGED: (&str, &str) = ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");

    fn has(condition: (&str, &str), stored: &[(&str, &str)]) -> bool {
        let (request, stored) = (fields(&[condition]), fields(stored));
        has_already(&request, |name| stored.get(name), 784_111_777)
    }

    #[test]
    fn rfc9110_13_1_2_tags_are_compared_weakly() {
        for (list, etag, matches) in [
            ("\"a\"", "\"a\"", true),
            ("W/\"a\"", "\"a\"", true),
            ("\"a\"", "W/\"a\"", true),
            ("\"b\", \"a\"", "\"a\"", true),
            ("\"b,\"a\"", "\"a\"", false),
            ("\"x, y\" , \"a\"", "\"a\"", true),
            ("\"A\"", "\"a\"", false),
            ("\"aa\"", "\"a\"", false),
            ("a", "\"a\"", false),
            ("*", "\"a\"", true),
            ("", "\"a\"", false),
        ] {
            assert_eq!(
                has(("If-None-Match", list), &[("ETag", etag)]),
                matches,
                "{list} {etag}"
            );
        }
        assert!(!has(("If-None-Match", "\"a\""), &[]));
        assert!(has(("If-None-Match", "*"), &[]));
    }

    #[test]
    fn rfc9111_4_3_2_tags_come_before_dates() {
        let request = fields(&[("If-None-Match", "\"b\""), ("If-Modified-Since", CHANGED.1)]);
        let stored = fields(&[("ETag", "\"a\""), CHANGED]);
        assert!(!has_already(&request, |name| stored.get(name), 0));
    }

    #[test]
    fn rfc9111_4_3_2_dates_are_compared_with_what_there_is() {
        let date = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
        for (since, same) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", true),
            ("Sun, 06 Nov 1994 08:49:36 GMT", false),
            ("Sun, 06 Nov 1994 08:50:00 GMT", true),
            ("yesterday", false),
        ] {
            for stored in [&[CHANGED][..], &[date], &[]] {
                assert_eq!(has(("If-Modified-Since", since), stored), same, "{since} {stored:?}");
            }
        }
    }

    #[test]
    fn rfc9111_4_3_1_our_condition_takes_the_place_of_the_clients() {
        let mut request = fields(&[
            ("If-None-Match", "\"x\""),
            ("Range", "bytes=0-1"),
            ("If-Range", "\"x\""),
            ("Accept", "*/*"),
        ]);
        let stored = fields(&[("ETag", "W/\"a\""), CHANGED]);
        ask_whether_it_holds(&mut request, |name| stored.get(name));
        let said: Vec<_> = request.iter().map(|field| (field.name, field.value)).collect();
        let wanted: [(&[u8], &[u8]); 3] = [
            (b"Accept", b"*/*"),
            (b"If-None-Match", b"W/\"a\""),
            (b"If-Modified-Since", CHANGED.1.as_bytes()),
        ];
        assert_eq!(said, wanted);
        assert!(has_validator(&stored) && !has_validator(&fields(&[("Last-Modified", "once")])));
    }

    #[test]
    fn rfc9111_4_3_4_a_304_must_speak_of_what_is_stored() {
        for (update, stored, same) in [
            (&[("ETag", "\"a\"")][..], &[("ETag", "\"a\"")][..], true),
            (&[("ETag", "\"b\"")], &[("ETag", "\"a\"")], false),
            (&[("ETag", "W/\"a\"")], &[("ETag", "\"a\"")], true),
            (&[("ETag", "\"a\"")], &[("ETag", "W/\"a\"")], false),
            (&[("ETag", "\"a\"")], &[CHANGED], false),
            (&[CHANGED], &[CHANGED], true),
            (&[("Last-Modified", "Sun, 06 Nov 1994 08:49:38 GMT")], &[CHANGED], false),
            (&[], &[("ETag", "\"a\"")], true),
        ] {
            let kept = fields(stored);
            assert_eq!(
                speaks_of(&fields(update), |name| kept.get(name)),
                same,
                "{update:?} {stored:?}"
            );
        }
    }

    #[test]
    fn rfc9111_4_3_5_all_validators_of_a_head_must_match() {
        let etag = ("ETag", "\"a\"");
        for (head, stored, same) in [
            (&[etag, CHANGED][..], &[etag, CHANGED][..], true),
            (&[etag], &[etag, CHANGED], true),
            (&[], &[etag], true),
            (&[etag, CHANGED], &[etag], false),
            (&[("ETag", "W/\"a\"")], &[etag], false),
        ] {
            let kept = fields(stored);
            assert_eq!(matches_head(&fields(head), |name| kept.get(name)), same, "{head:?}");
        }
    }

    #[test]
    fn rfc9111_3_2_a_304_updates_what_is_stored() {
        let stored = [
            ("A", "1"),
            ("B", "1"),
            ("Content-Type", "a/b"),
            ("Content-Encoding", "br"),
            ("Age", "9"),
            ("Content-Length", "5"),
        ];
        let update = [
            ("b", "2"),
            ("B", "3"),
            ("Content-Type", "c/d"),
            ("Content-Encoding", "gzip"),
            ("Content-Length", "0"),
            ("C", "4"),
        ];
        let fresh = freshened(&fields(&stored), &fields(&update));
        let said: Vec<_> = fresh.iter().map(|field| [field.name, field.value].concat()).collect();
        let wanted: [&[u8]; 7] = [
            b"A1",
            b"Content-Encodingbr",
            b"Content-Length5",
            b"b2",
            b"B3",
            b"Content-Typec/d",
            b"C4",
        ];
        assert_eq!(said, wanted);
    }

    #[test]
    fn rfc9110_15_4_5_a_304_says_what_identifies_and_not_what_describes() {
        let kept = fields(&[
            ("ETag", "x"),
            ("Vary", "x"),
            ("Content-Type", "x"),
            ("Content-Language", "x"),
            ("Content-Location", "x"),
        ]);
        let said: Vec<_> = kept.iter().filter(goes_with_304).map(|field| field.name).collect();
        assert_eq!(said, [b"ETag".as_slice(), b"Vary", b"Content-Location"]);
    }
}
