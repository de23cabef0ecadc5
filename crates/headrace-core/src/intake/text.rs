//! Valid JSON as text: made one line, read, and made sound.

use std::borrow::Cow;

use super::scan::MAX_DEPTH;

/// Bytes as text where they are nothing but ASCII and have no line end, nor a tab or another byte up to 0x0d. Nearly all that
/// is posted is such a line, which takes a quarter of the time to find out that a look for each of the two takes.
#[allow(unsafe_code)]
pub fn as_line(bytes: &[u8]) -> Option<&str> {
    let is_odd = |byte: &u8| byte.cast_signed() <= 0x0d;
    // A loop without a way out, which the compiler makes a few instructions for each sixteen of.
    let is_plain = |some: &[u8; 64]| {
        let mut odd = 0;
        for byte in some {
            odd |= u8::from(is_odd(byte));
        }
        odd == 0
    };
    let plain = match bytes.last_chunk() {
        Some(last) => bytes.as_chunks().0.iter().all(is_plain) && is_plain(last),
        None => !bytes.iter().any(is_odd),
    };
    // SAFETY: a byte above 0x7f is less than zero with a sign; all are ASCII, which is UTF-8.
    plain.then(|| unsafe { std::str::from_utf8_unchecked(bytes) })
}

/// A value without line ends. In valid JSON they stand only where a space may stand, never in a string (RFC 8259, 2).
pub fn one_line(value: &str) -> Cow<'_, str> {
    match memchr::memchr2(b'\n', b'\r', value.as_bytes()) {
        None => value.into(),
        Some(_) => value.replace(['\n', '\r'], " ").into(),
    }
}

/// Whether valid JSON nests deeper than `MAX_DEPTH`.
pub fn is_too_deep(json: &str) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    false
}

/// What stands between the quotes of a string, read. Half of a surrogate pair (RFC 8259, 8.2), which is no character, becomes
/// U+FFFD.
pub fn unescape(text: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', text.as_bytes()) else {
        return text.into();
    };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..first]);
    let mut rest = &text[first..];
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let (character, length) = escaped(&rest[at..]);
        out.push(character);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    out.into()
}

/// A value in which each escape is that of a character: half a surrogate pair becomes `\ufffd`. Readers differ in what
/// they make of one, and some take none of a text that has it.
pub fn sound(value: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut kept, mut at) = (0, 0);
    while let Some(found) = memchr::memchr(b'\\', &value.as_bytes()[at..]) {
        at += found;
        let (character, length) = escaped(&value[at..]);
        if character == char::REPLACEMENT_CHARACTER {
            out.push_str(&value[kept..at]);
            out.push_str("\\ufffd");
            kept = at + length;
        }
        at += length;
    }
    match kept {
        0 => value.into(),
        _ => (out + &value[kept..]).into(),
    }
}

/// The character of the escape that `text` begins with, and the escape's length.
fn escaped(text: &str) -> (char, usize) {
    let bytes = text.as_bytes();
    match bytes.get(1) {
        Some(b'u') => {}
        Some(b'b') => return ('\u{8}', 2),
        Some(b'f') => return ('\u{c}', 2),
        Some(b'n') => return ('\n', 2),
        Some(b'r') => return ('\r', 2),
        Some(b't') => return ('\t', 2),
        Some(byte) => return (char::from(*byte), 2),
        None => return (char::REPLACEMENT_CHARACTER, 1),
    }
    let unit = |at: usize| text.get(at..at + 4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
    let high = unit(2).unwrap_or(0xfffd);
    let low = if text.get(6..8) == Some("\\u") { unit(8) } else { None };
    match char::decode_utf16([high].into_iter().chain(low)).next() {
        Some(Ok(pair)) if pair.len_utf16() == 2 => (pair, 12),
        Some(Ok(character)) => (character, 6),
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::{super::scan::Scan, *};

    #[test]
    fn a_line_is_one_where_each_byte_is_ascii_and_none_ends_it() {
        for length in 0..150 {
            let text = "x".repeat(length);
            assert_eq!(as_line(text.as_bytes()), Some(text.as_str()));
            for (at, byte) in (0..length).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
                let mut bytes = text.clone().into_bytes();
                bytes[at] = byte;
                let line = (0x0e..0x80).contains(&byte);
                assert_eq!(as_line(&bytes).is_some(), line, "{byte} at {at} of {length}");
            }
        }
    }

    #[test]
    fn half_a_pair_becomes_a_character() {
        for (escaped, text, value) in [
            (r"\ud83d\ude00", "\u{1f600}", r"\ud83d\ude00"),
            (r"a\ud83d", "a\u{fffd}", r"a\ufffd"),
            (r"\ude00\ud83d", "\u{fffd}\u{fffd}", r"\ufffd\ufffd"),
            (r"\ud83dx\ude00", "\u{fffd}x\u{fffd}", r"\ufffdx\ufffd"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}", r"\ufffd\ud83d\ude00"),
            (r"\\ud83d", r"\ud83d", r"\\ud83d"),
            (r#"\u0000\n\/\""#, "\0\n/\"", r#"\u0000\n\/\""#),
            ("plain \u{fc}", "plain \u{fc}", "plain \u{fc}"),
        ] {
            assert_eq!(unescape(escaped), text, "{escaped}");
            assert_eq!(sound(escaped), value, "{escaped}");
        }
    }

    proptest! {
        #[test]
        fn a_string_is_read_as_serde_reads_it(text in r#"([ -~é]|\\["\\/bfnrt]|\\u00[0-9a-f]{2}|\\ud83d\\ude0[0-9]){0,20}"#) {
            let quoted = format!("\"{text}\"");
            if let Ok(Value::String(read)) = serde_json::from_str(&quoted) {
                prop_assert_eq!(unescape(&text), read);
                prop_assert_eq!(sound(&quoted), quoted.as_str());
            }
        }

        #[test]
        fn what_is_made_sound_is_taken_by_serde(text in r#"([ !#-\[\]-~é]|\\u[dD][89a-fA-F][0-9a-f]{2}|\\["\\nu]){0,20}"#) {
            let quoted = format!("\"{text}\"");
            if Scan::new(&quoted).value().is_some() {
                prop_assert!(serde_json::from_str::<Value>(&sound(&quoted)).is_ok(), "{}", quoted);
                let _ = unescape(&text);
            }
        }
    }
}
