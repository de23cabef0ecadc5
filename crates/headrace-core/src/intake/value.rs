//! Where a JSON value ends: the place behind something that begins at `at`, or `None` where it is no such thing.
//!
//! Places are passed from call to call, so that they stay in registers. Most of what is posted has no space between its
//! parts, short strings, and few escapes; these take the short ways.

use super::{
    block::{BLOCK, marks},
    scan::MAX_DEPTH,
};

/// Of any value that nests no deeper than `MAX_DEPTH`. `CLEAN` as in [`super::Scan`].
pub(super) fn behind_value<const CLEAN: bool>(text: &[u8], mut at: usize) -> Option<usize> {
    // A bit for each level around the one at hand, and what that one is: whether it is an object.
    let (mut depth, mut outer, mut object) = (0, 0u128, false);
    loop {
        at = match *text.get(at)? {
            b'"' => behind_string::<CLEAN>(text, at)?,
            b'-' | b'0'..=b'9' => behind_number(text, at)?,
            opening @ (b'{' | b'[') => {
                if depth == MAX_DEPTH {
                    return None;
                }
                let (inside, closing) = (behind_space(text, at + 1), opening + 2);
                if *text.get(inside)? == closing {
                    inside + 1
                } else {
                    outer = outer << 1 | u128::from(object);
                    object = opening == b'{';
                    depth += 1;
                    at = if object {
                        behind_name::<CLEAN>(text, inside)?
                    } else {
                        inside
                    };
                    continue;
                }
            }
            b't' => behind_word(text, at, b"true")?,
            b'f' => behind_word(text, at, b"false")?,
            b'n' => behind_word(text, at, b"null")?,
            _ => return None,
        };
        // A value has ended, and with it perhaps those around it.
        loop {
            if depth == 0 {
                return Some(at);
            }
            at = behind_space(text, at);
            match (*text.get(at)?, object) {
                (b',', true) => {
                    at = behind_name::<CLEAN>(text, behind_space(text, at + 1))?;
                    break;
                }
                (b',', false) => {
                    at = behind_space(text, at + 1);
                    break;
                }
                (b'}', true) | (b']', false) => at += 1,
                _ => return None,
            }
            object = outer & 1 == 1;
            outer >>= 1;
            depth -= 1;
        }
    }
}

/// There mostly is none.
#[inline]
pub(super) fn behind_space(text: &[u8], at: usize) -> usize {
    match text.get(at) {
        Some(..=b' ') => behind_spaces(text, at),
        _ => at,
    }
}

#[inline(never)]
fn behind_spaces(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// Where the value of a name begins.
#[inline]
fn behind_name<const CLEAN: bool>(text: &[u8], at: usize) -> Option<usize> {
    let at = behind_string::<CLEAN>(text, at)?;
    match text.get(at)? {
        b':' => Some(behind_space(text, at + 1)),
        _ => behind_colon(text, at),
    }
}

#[inline]
pub(super) fn behind_colon(text: &[u8], at: usize) -> Option<usize> {
    let at = behind_space(text, at);
    (*text.get(at)? == b':').then(|| behind_space(text, at + 1))
}

fn behind_word(text: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    text.get(at..)?.starts_with(word).then_some(at + word.len())
}

/// RFC 8259, 6.
fn behind_number(text: &[u8], mut at: usize) -> Option<usize> {
    if *text.get(at)? == b'-' {
        at += 1;
    }
    at = match *text.get(at)? {
        b'0' => at + 1,
        b'1'..=b'9' => behind_digits(text, at + 1),
        _ => return None,
    };
    if let Some(b'.') = text.get(at) {
        at = behind_some_digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = text.get(at) {
            at += 1;
        }
        at = behind_some_digits(text, at)?;
    }
    Some(at)
}

#[inline]
fn behind_digits(text: &[u8], mut at: usize) -> usize {
    while let Some(eight) = text.get(at..).and_then(<[u8]>::first_chunk) {
        // Digits become 0 to 9; what carries over from one byte to the next comes from one that is none.
        let values = u64::from_le_bytes(*eight) ^ (ONES * u64::from(b'0'));
        let others = (values.wrapping_add(ONES * 6) | values) & (ONES * 0xf0);
        if others != 0 {
            return at + others.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(b'0'..=b'9') = text.get(at) {
        at += 1;
    }
    at
}

#[inline]
fn behind_some_digits(text: &[u8], at: usize) -> Option<usize> {
    let end = behind_digits(text, at);
    (end > at).then_some(end)
}

/// RFC 8259, 7.
#[inline]
pub(super) fn behind_string<const CLEAN: bool>(text: &[u8], at: usize) -> Option<usize> {
    if *text.get(at)? != b'"' {
        None
    } else if CLEAN {
        behind_quote(text, at + 1)
    } else {
        behind_text(text, at + 1)
    }
}

/// Behind the quote that ends a string whose text begins at `at`. Most are short and have no escape.
#[inline]
fn behind_text(text: &[u8], at: usize) -> Option<usize> {
    if let Some(block) = text.get(at..)?.first_chunk() {
        let end = at + (marks(block) | 1 << BLOCK).trailing_zeros() as usize;
        if let Some(b'"') = text.get(end) {
            return Some(end + 1);
        }
    }
    behind_long_text(text, at)
}

/// The same for any.
#[inline(never)]
fn behind_long_text(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at = next_mark(text, at)?;
        match *text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = behind_escape(text, at + 1)?,
            _ => return None,
        }
    }
}

/// The first quote, backslash or control character from `at` on, or the end.
#[inline]
pub(super) fn next_mark(text: &[u8], mut at: usize) -> Option<usize> {
    while let Some(block) = text.get(at..)?.first_chunk() {
        let marks = marks(block);
        if marks != 0 {
            return Some(at + marks.trailing_zeros() as usize);
        }
        at += BLOCK;
    }
    last_mark(text, at)
}

/// The same in less than a block. Zeros behind it mark its end.
#[inline(never)]
fn last_mark(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let mut block = [0; BLOCK];
    block.get_mut(..rest.len())?.copy_from_slice(rest);
    Some(at + marks(&block).trailing_zeros() as usize)
}

/// Behind the next quote. Names and most values are short; only for what is long a search is worth its call.
#[inline]
fn behind_quote(text: &[u8], mut at: usize) -> Option<usize> {
    for _ in 0..SHORT_WORDS {
        let Some(eight) = text.get(at..)?.first_chunk() else {
            break;
        };
        let quotes = is(u64::from_le_bytes(*eight), b'"') & HIGH;
        if quotes != 0 {
            return Some(at + quotes.trailing_zeros() as usize / 8 + 1);
        }
        at += 8;
    }
    Some(at + memchr::memchr(b'"', text.get(at..)?)? + 1)
}

#[inline]
fn behind_escape(text: &[u8], at: usize) -> Option<usize> {
    match *text.get(at)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 1),
        b'u' => text
            .get(at + 1..at + 5)?
            .iter()
            .all(u8::is_ascii_hexdigit)
            .then_some(at + 5),
        _ => None,
    }
}

/// Words of eight bytes of a string that are looked at one by one.
const SHORT_WORDS: usize = 4;
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The high bits of the bytes of `word` that are `byte`, and perhaps of some that stand behind one, but of none before.
#[inline]
fn is(word: u64, byte: u8) -> u64 {
    let differs = word ^ (ONES * u64::from(byte));
    differs.wrapping_sub(ONES) & !differs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_end_wherever_they_end() {
        for length in 1..30 {
            for end in [
                &b""[..],
                b",",
                b"/2345678",
                b":2345678",
                b"\xff2345678",
                b"]}23456789012",
            ] {
                let text = [&b"1".repeat(length)[..], end].concat();
                assert_eq!(behind_value::<false>(&text, 0), Some(length), "{text:?}");
            }
        }
    }

    #[test]
    fn a_string_ends_at_its_quote_whatever_its_length_and_what_is_escaped_in_it() {
        for (length, at) in (0..50).flat_map(|length| (0..=length).map(move |at| (length, at))) {
            for escape in ["", r#"\""#, r"\\", r"\u00e9", "é"] {
                let mut text = "x".repeat(length);
                text.insert_str(at, escape);
                for behind in ["", "\"", ",", "}]}\"xxxxxxxxxxxxxxxxxxx"] {
                    let string = format!("\"{text}\"");
                    let whole = format!("{string}{behind}");
                    assert_eq!(
                        behind_string::<false>(whole.as_bytes(), 0),
                        Some(string.len()),
                        "{whole}"
                    );
                }
                for broken in [
                    format!("\"{text}"),
                    format!("\"{text}\\"),
                    format!("\"{text}\n\""),
                    format!("\"{text}\\u12"),
                ] {
                    assert_eq!(behind_string::<false>(broken.as_bytes(), 0), None, "{broken}");
                }
            }
        }
    }
}
