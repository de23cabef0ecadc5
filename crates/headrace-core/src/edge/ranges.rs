//! Parts of a stored whole (RFC 9110, 14). Parts that a server sends are passed on and never put together.

use std::ops::Range;

use super::{freshness::seconds_of, validation};
use crate::http::fields::{Fields, Known};

/// The most ranges that one request gets; who asks for more gets the whole (RFC 9110, 17.15).
const MOST: usize = 16;

/// What a request gets of a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    Whole,
    /// 206, with one part as it is or several in a multipart body.
    Parts(Vec<Range<u64>>),
    /// 416.
    Unsatisfiable,
}

/// Reads `Range` and `If-Range` for a stored 200 of `length` bytes.
pub fn wanted<'a>(request: &Fields, stored: impl Fn(&[u8]) -> Option<&'a [u8]>, length: u64) -> Wanted {
    let mut lines = request.iter().filter(|field| field.known == Known::Range);
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Wanted::Whole;
    };
    if request
        .get(b"if-range")
        .is_some_and(|condition| !still_holds(condition, stored))
    {
        return Wanted::Whole;
    }
    let unit = line.value.get(..6).unwrap_or_default();
    match line.value.get(6..) {
        Some(set) if unit.eq_ignore_ascii_case(b"bytes=") => parts(set, length).unwrap_or(Wanted::Whole),
        _ => Wanted::Whole,
    }
}

/// RFC 9110, 13.1.5: the same strong validator, to the letter.
fn still_holds<'a>(condition: &[u8], stored: impl Fn(&[u8]) -> Option<&'a [u8]>) -> bool {
    if seconds_of(condition).is_none() {
        return validation::is_strong(condition) && stored(b"etag") == Some(condition);
    }
    let (Some(changed), Some(made)) = (stored(b"last-modified"), stored(b"date").and_then(seconds_of)) else {
        return false;
    };
    // A date is strong when nothing can have changed twice within its second (8.8.2.2).
    changed == condition && seconds_of(changed).is_some_and(|changed| changed < made)
}

/// `None` for what is no set of ranges, or one that would cost more than the whole.
fn parts(set: &[u8], length: u64) -> Option<Wanted> {
    let mut parts: Vec<Range<u64>> = Vec::new();
    let mut asked = 0;
    for spec in crate::http::fields::elements(set) {
        asked += 1;
        parts.extend(part(spec, length)?);
    }
    let overlap = parts.iter().enumerate().any(|(index, part)| {
        let before = parts.get(..index).unwrap_or_default();
        before
            .iter()
            .any(|other| part.start < other.end && other.start < part.end)
    });
    match parts.len() {
        _ if asked == 0 || asked > MOST || overlap => None,
        0 => Some(Wanted::Unsatisfiable),
        _ => Some(Wanted::Parts(parts)),
    }
}

/// One range within the whole; `None` if it is no range, `Some(None)` if it lies outside.
#[allow(clippy::option_option)] // Either is an answer of its own, told apart by one caller right above.
fn part(spec: &[u8], length: u64) -> Option<Option<Range<u64>>> {
    let dash = memchr::memchr(b'-', spec)?;
    let (first, last) = spec.split_at(dash);
    let last = last.get(1..).unwrap_or_default();
    let range = match (first.is_empty(), last.is_empty()) {
        (true, true) => return None,
        (true, false) => length.saturating_sub(position(last)?)..length,
        (false, true) => position(first)?..length,
        (false, false) => {
            let (first, last) = (position(first)?, position(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(length)
        }
    };
    Some((range.start < range.end).then_some(range))
}

/// A position; what is too large for a number lies behind every end.
fn position(digits: &[u8]) -> Option<u64> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    all.then(|| {
        digits.iter().fold(0_u64, |number, digit| {
            number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
        })
    })
}

/// `Content-Range` of one part.
pub fn content_range(part: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1))
}

/// A `multipart/byteranges` body: what comes before each part, and what after the last (RFC 9110, 14.6).
pub fn delimiters(parts: &[Range<u64>], length: u64, kind: Option<&[u8]>, boundary: &str) -> (Vec<Vec<u8>>, Vec<u8>) {
    let before = parts.iter().map(|part| {
        let mut head = format!("\r\n--{boundary}\r\n").into_bytes();
        if let Some(kind) = kind {
            head.extend_from_slice(b"Content-Type: ");
            head.extend_from_slice(kind);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(format!("Content-Range: {}\r\n\r\n", content_range(part, length)).as_bytes());
        head
    });
    (before.collect(), format!("\r\n--{boundary}--\r\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::{super::tests::fields, *};

    fn asked(range: &str) -> Wanted {
        wanted(&fields(&[("Range", range)]), |_| None, 100)
    }

    #[test]
    fn rfc9110_14_1_2_ranges_of_bytes_are_read() {
        for (range, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-49", 0..50),
            ("bytes=90-", 90..100),
            ("bytes=-10", 90..100),
            ("bytes=-500", 0..100),
            ("bytes=50-999999999999999999999999", 50..100),
            ("Bytes=5-6", 5..7),
        ] {
            assert_eq!(asked(range), Wanted::Parts(vec![part]), "{range}");
        }
        assert_eq!(asked("bytes=0-1, 5-6,200-"), Wanted::Parts(vec![0..2, 5..7]));
    }

    #[test]
    fn rfc9110_14_2_what_is_no_range_gets_the_whole() {
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=5-1",
            "bytes=a-b",
            "bytes=-",
            "lines=1-2",
            "bytes=1",
            "bytes = 1-2",
            "bytes=0-1,x",
        ] {
            assert_eq!(asked(range), Wanted::Whole, "{range}");
        }
    }

    #[test]
    fn rfc9110_15_5_17_what_lies_outside_is_unsatisfiable() {
        for range in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=200-300,-0"] {
            assert_eq!(asked(range), Wanted::Unsatisfiable, "{range}");
        }
        assert_eq!(
            wanted(&fields(&[("Range", "bytes=0-")]), |_| None, 0),
            Wanted::Unsatisfiable
        );
    }

    #[test]
    fn rfc9110_17_15_many_or_overlapping_ranges_get_the_whole() {
        let many: Vec<_> = (0..=MOST).map(|at| format!("{}-{}", at * 2, at * 2)).collect();
        assert_eq!(asked(&format!("bytes={}", many.join(","))), Wanted::Whole);
        assert_eq!(asked("bytes=0-50,50-60"), Wanted::Whole);
        let twice = fields(&[("Range", "bytes=0-1"), ("Range", "bytes=2-3")]);
        assert_eq!(wanted(&twice, |_| None, 100), Wanted::Whole);
    }

    #[test]
    fn rfc9110_13_1_5_if_range_needs_the_same_strong_validator() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let later = "Sun, 06 Nov 1994 08:49:38 GMT";
        for (condition, stored, holds) in [
            ("\"a\"", &[("ETag", "\"a\"")][..], true),
            ("\"b\"", &[("ETag", "\"a\"")], false),
            ("W/\"a\"", &[("ETag", "W/\"a\"")], false),
            ("\"a\"", &[], false),
            (date, &[("Last-Modified", date), ("Date", later)], true),
            (date, &[("Last-Modified", date), ("Date", date)], false),
            (later, &[("Last-Modified", date), ("Date", later)], false),
        ] {
            let kept = fields(stored);
            let request = fields(&[("Range", "bytes=0-0"), ("If-Range", condition)]);
            let whole = wanted(&request, |name| kept.get(name), 100) == Wanted::Whole;
            assert_eq!(!whole, holds, "{condition} {stored:?}");
        }
    }

    #[test]
    fn rfc9110_14_6_several_parts_are_delimited() {
        let (before, after) = delimiters(&[0..2, 5..7], 100, Some(b"a/b"), "x");
        assert_eq!(
            before[0],
            b"\r\n--x\r\nContent-Type: a/b\r\nContent-Range: bytes 0-1/100\r\n\r\n"
        );
        assert_eq!(
            before[1],
            b"\r\n--x\r\nContent-Type: a/b\r\nContent-Range: bytes 5-6/100\r\n\r\n"
        );
        assert_eq!(after, b"\r\n--x--\r\n");
    }
}
