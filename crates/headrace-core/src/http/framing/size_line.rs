//! The line before a chunk's data: its size and extensions (RFC 9112, 7.1).

use memchr::memchr;

use crate::http::fields::is_token_byte;

/// Digits of a size: as many as fit into 64 bits.
pub(super) const SIZE_DIGITS: usize = 16;
/// Extensions of one chunk.
pub(super) const EXTENSION_BYTES: usize = 256;

/// The size line at the start of `input` without its end, if it is all there.
pub(super) fn complete_line(input: &[u8]) -> Result<Option<&[u8]>, &'static str> {
    const LONGEST: usize = SIZE_DIGITS + EXTENSION_BYTES;
    let within = input.get(..LONGEST + 2).unwrap_or(input);
    match memchr(b'\n', within).and_then(|end| within.get(..end)) {
        Some([line @ .., b'\r']) => Ok(Some(line)),
        Some(_) => Err("a chunk's size line does not end with CRLF"),
        None if within.len() == LONGEST + 2 => Err("a chunk's size line is too long"),
        // Told at once, and not when the client has given up waiting for an answer.
        None if within.first().is_some_and(|byte| !byte.is_ascii_hexdigit()) => Err("a chunk's size is malformed"),
        None => Ok(None),
    }
}

/// The size and the length of the extensions: hexadecimal digits, nothing before, only extensions after.
pub(super) fn parse_size_line(line: &[u8]) -> Option<(u64, usize)> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, extensions) = line.split_at_checked(digits)?;
    if digits.is_empty() || digits.len() > SIZE_DIGITS || !is_extensions(extensions) {
        return None;
    }
    let size = u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    Some((size, extensions.len()))
}

/// `*( BWS ";" BWS name [ BWS "=" BWS value ] )` (RFC 9112, 7.1.1).
fn is_extensions(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some(extension) = skip_blanks(rest).strip_prefix(b";") else {
            return false;
        };
        let Some(after_name) = skip_token(skip_blanks(extension)) else {
            return false;
        };
        rest = match skip_blanks(after_name).strip_prefix(b"=") {
            None => after_name,
            Some(value) => match skip_extension_value(skip_blanks(value)) {
                Some(after_value) => after_value,
                None => return false,
            },
        };
    }
    true
}

fn skip_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

fn skip_token(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().take_while(|byte| is_token_byte(**byte)).count();
    if length == 0 { None } else { text.get(length..) }
}

fn skip_extension_value(text: &[u8]) -> Option<&[u8]> {
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        return skip_token(text);
    };
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] if !byte.is_ascii_control() || *byte == b'\t' => rest,
            _ => return None,
        };
    }
}
