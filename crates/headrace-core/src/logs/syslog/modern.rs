//! Messages of RFC 5424: `<34>1 2026-11-23T12:00:00.5Z web1 su 812 ID47 [a@1 b="c"] message`.

use super::json;
use crate::logs::timestamp::{Clock, Told};

/// What stands where nothing is known (6.2).
const NIL: &str = "-";
const BOM: char = '\u{feff}';

/// A message behind its priority and version.
pub(super) struct Modern<'a> {
    pub(super) time: Option<Told>,
    pub(super) said: &'a str,
    pub(super) source: &'a str,
    pub(super) message: &'a str,
}

/// Reads what follows the version, and adds host, process, kind and structured data to `fields`; none, and nothing
/// added, where it has another form.
pub(super) fn read<'a>(text: &'a str, clock: &mut Clock, fields: &mut String) -> Option<Modern<'a>> {
    let (said, rest) = word(text)?;
    let time = match said {
        NIL => None,
        said => Some(clock.read(said)?),
    };
    let (host, rest) = word(rest)?;
    let (source, rest) = word(rest)?;
    let (process, rest) = word(rest)?;
    let (kind, rest) = word(rest)?;
    let before = fields.len();
    for (name, value) in [("hostname", host), ("procid", process), ("msgid", kind)] {
        if value != NIL {
            json::push_text(fields, name, value);
        }
    }
    let Some(rest) = structured(rest, fields).filter(|rest| rest.is_empty() || rest.starts_with(' ')) else {
        fields.truncate(before);
        return None;
    };
    let message = rest.strip_prefix(' ').unwrap_or(rest);
    Some(Modern {
        time,
        said,
        source: if source == NIL { "" } else { source },
        message: message.strip_prefix(BOM).unwrap_or(message),
    })
}

/// What stands before the next space, and behind it.
fn word(text: &str) -> Option<(&str, &str)> {
    let end = memchr::memchr(b' ', text.as_bytes())?;
    Some((&text[..end], &text[end + 1..]))
}

/// Adds each element of the structured data as an object of its parameters (6.3); what follows it.
fn structured<'a>(text: &'a str, fields: &mut String) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix(NIL) {
        return Some(rest);
    }
    let mut rest = text.strip_prefix('[')?;
    loop {
        let (name, behind) = name(rest)?;
        json::begin(fields, name);
        fields.push('{');
        rest = parameters(behind, fields)?;
        fields.push('}');
        match rest.strip_prefix('[') {
            Some(next) => rest = next,
            None => return Some(rest),
        }
    }
}

/// Adds the parameters of an element; what follows its bracket.
fn parameters<'a>(mut rest: &'a str, fields: &mut String) -> Option<&'a str> {
    while let Some(parameter) = rest.strip_prefix(' ') {
        let (name, behind) = name(parameter)?;
        let (value, behind) = value(behind.strip_prefix("=\"")?)?;
        match value.contains('\\') {
            false => json::push_text(fields, name, value),
            true => json::push_text(fields, name, &unescaped(value)),
        }
        rest = behind;
    }
    rest.strip_prefix(']')
}

/// A name (6.3.2), and what follows it.
fn name(text: &str) -> Option<(&str, &str)> {
    let end = text.find([' ', '=', ']', '"'])?;
    (end > 0).then(|| text.split_at(end))
}

/// A value up to its quote, which follows it unless a backslash stands before it (6.3.3), and what follows that.
fn value(text: &str) -> Option<(&str, &str)> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', &text.as_bytes()[at..])?;
        if text.as_bytes()[at] == b'"' {
            return Some((&text[..at], &text[at + 1..]));
        }
        // Whatever is escaped is one byte, or its first byte is no quote.
        at += 2;
        if at > text.len() {
            return None;
        }
    }
}

/// A backslash before anything but a quote, a backslash and a bracket stands for itself (6.3.3).
fn unescaped(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars().peekable();
    while let Some(character) = characters.next() {
        let escaped = character == '\\' && matches!(characters.peek(), Some('"' | '\\' | ']'));
        plain.extend(if escaped { characters.next() } else { Some(character) });
    }
    plain
}
