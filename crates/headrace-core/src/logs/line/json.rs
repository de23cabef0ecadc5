//! Lines that are JSON objects: time, level, source, message, in this order, then further fields.

use std::{borrow::Cow, str::from_utf8};

use memchr::memchr2;

use super::{
    Line, Stamp,
    escape::{self, Special},
    stamp::{self, Precision},
};
use crate::logs::Encoded;

const BEFORE_TIME: &[u8] = b"{\"time\":\"";
const IN_STRING: Special = Special::and(b"\"\\");
const IN_JSON: Special = Special::and(b"");

pub(super) fn write(entry: &Encoded<'_>, stamp: &mut Stamp, into: &mut Vec<u8>) {
    into.extend_from_slice(BEFORE_TIME);
    stamp.write(entry.time, b'T', Precision::Nanos, into);
    into.extend_from_slice(b"Z\"");
    for (name, value) in [
        ("level", entry.level),
        ("source", entry.source),
        ("message", entry.message),
    ] {
        into.extend_from_slice(b",\"");
        into.extend_from_slice(name.as_bytes());
        into.extend_from_slice(b"\":\"");
        IN_STRING.copy(value, into, escape::in_string);
        into.push(b'"');
    }
    if let Some(members) = members(entry.fields) {
        into.push(b',');
        IN_JSON.copy(members, into, escape::in_json);
    }
    into.push(b'}');
}

/// What stands between the braces of an object, if anything does.
fn members(object: &[u8]) -> Option<&[u8]> {
    let members = object.trim_ascii().strip_prefix(b"{")?.strip_suffix(b"}")?.trim_ascii();
    (!members.is_empty()).then_some(members)
}

/// The time that a line begins with, and what follows it.
pub(super) fn time_of(line: &[u8]) -> Option<(i64, &[u8])> {
    let (time, rest) = stamp::read(line.strip_prefix(BEFORE_TIME)?, b'T', Precision::Nanos)?;
    Some((time, rest.strip_prefix(b"Z\"")?))
}

pub(super) fn read(line: &[u8]) -> Option<Line<'_>> {
    let (time, rest) = time_of(line)?;
    let rest = from_utf8(rest).ok()?;
    let (level, rest) = string(rest.strip_prefix(",\"level\":\"")?)?;
    let (source, rest) = string(rest.strip_prefix(",\"source\":\"")?)?;
    let (message, rest) = string(rest.strip_prefix(",\"message\":\"")?)?;
    let fields = match rest.strip_prefix(',') {
        Some(members) => Cow::Owned(format!("{{{}", members.strip_suffix('}').map(|_| members)?)),
        None => Cow::Borrowed((rest == "}").then_some("")?),
    };
    Some(Line {
        time,
        level,
        source,
        message,
        fields,
    })
}

/// The string whose opening quote was taken, and what follows its closing one.
fn string(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let bytes = text.as_bytes();
    let mut end = memchr2(b'"', b'\\', bytes)?;
    if bytes[end] == b'"' {
        return Some((Cow::Borrowed(&text[..end]), &text[end + 1..]));
    }
    while bytes[end] == b'\\' {
        end += 2;
        end += memchr2(b'"', b'\\', bytes.get(end..)?)?;
    }
    // With its quotes; nobody but a library should read escapes of JSON.
    let string = serde_json::from_str(&format!("\"{}\"", &text[..end])).ok()?;
    Some((Cow::Owned(string), &text[end + 1..]))
}
