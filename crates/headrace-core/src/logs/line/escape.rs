//! Characters that must not stand in a line as they are.

use std::{borrow::Cow, str::from_utf8};

/// How many bytes are looked at together.
const SOME: usize = 16;
/// The most bytes that are special beside controls and what hides.
const MORE: usize = 2;

/// Which bytes begin a character that has to be looked at.
#[derive(Debug, Clone)]
pub(super) struct Special {
    is_special: [bool; 256],
    more: [u8; MORE],
}

impl Special {
    /// Controls and what hides, and the bytes of `more`, two at most with what is `set` later.
    pub(super) const fn and(more: &[u8]) -> Self {
        let mut special = [false; 256];
        let mut byte = 0;
        while byte < 0x20 {
            special[byte] = true;
            byte += 1;
        }
        special[0x7f] = true;
        // C1 controls; line separators and marks of direction, among much that is harmless.
        special[0xc2] = true;
        special[0xe2] = true;
        let mut own = [0; MORE];
        let mut index = 0;
        while index < more.len() {
            special[more[index] as usize] = true;
            own[index] = more[index];
            index += 1;
        }
        Self {
            is_special: special,
            more: own,
        }
    }

    pub(super) fn set(&mut self, byte: u8) {
        self.is_special[usize::from(byte)] = true;
        self.more[MORE - 1] = byte;
    }

    /// Appends `text`, which is UTF-8; each character that a special byte begins is left to `write`.
    pub(super) fn copy(&self, text: &[u8], into: &mut Vec<u8>, write: impl Fn(char, &mut Vec<u8>)) {
        let mut rest = text;
        while let Some(at) = self.find(rest) {
            into.extend_from_slice(&rest[..at]);
            let (character, length) = first(&rest[at..]);
            write(character, into);
            rest = &rest[at + length..];
        }
        into.extend_from_slice(rest);
    }

    /// The first special byte. Sixteen are asked at once whether one of them may be, without leaving early: the compiler
    /// makes a few instructions of it.
    fn find(&self, text: &[u8]) -> Option<usize> {
        let [one, other] = self.more;
        let may_be = |byte: u8| byte.wrapping_sub(b' ') >= 0x7f - b' ' || byte == one || byte == other;
        let is = |byte: &u8| self.is_special[usize::from(*byte)];
        let (chunks, rest) = text.as_chunks::<SOME>();
        for (number, some) in chunks.iter().enumerate() {
            let suspect = some.iter().fold(false, |any, byte| any | may_be(*byte));
            if suspect && let Some(at) = some.iter().position(is) {
                return Some(number * SOME + at);
            }
        }
        rest.iter().position(is).map(|at| chunks.len() * SOME + at)
    }
}

/// The first character of a text that is not empty, and its length. What is none is shown as such.
fn first(text: &[u8]) -> (char, usize) {
    let length = match text[0] {
        ..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
    };
    let character = text.get(..length).and_then(|bytes| from_utf8(bytes).ok());
    match character.and_then(|character| character.chars().next()) {
        Some(character) => (character, length),
        None => (char::REPLACEMENT_CHARACTER, 1),
    }
}

/// Whether a character ends a line for somebody, moves a cursor, or turns the direction of text.
pub(super) fn hides(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A character of a template's field: behind a backslash where it is special.
pub(super) fn in_field(special: &Special, character: char, into: &mut Vec<u8>) {
    match character {
        '\n' => into.extend_from_slice(br"\n"),
        '\r' => into.extend_from_slice(br"\r"),
        '\t' => into.extend_from_slice(br"\t"),
        hidden if hides(hidden) => into.extend_from_slice(hidden.escape_unicode().to_string().as_bytes()),
        ascii if ascii.is_ascii() && special.is_special[ascii as usize] => {
            into.extend_from_slice(&[b'\\', ascii as u8]);
        }
        harmless => push(harmless, into),
    }
}

/// A character of a JSON string.
pub(super) fn in_string(character: char, into: &mut Vec<u8>) {
    match character {
        '\n' => into.extend_from_slice(br"\n"),
        '\r' => into.extend_from_slice(br"\r"),
        '\t' => into.extend_from_slice(br"\t"),
        '"' | '\\' => into.extend_from_slice(&[b'\\', character as u8]),
        other => numbered(other, into),
    }
}

/// A character of a JSON text, in which control characters can only stand between values and others that hide only in
/// strings.
pub(super) fn in_json(character: char, into: &mut Vec<u8>) {
    match character {
        '\0'..' ' => into.push(b' '),
        other => numbered(other, into),
    }
}

/// By its number where it must not be seen.
fn numbered(character: char, into: &mut Vec<u8>) {
    match character {
        hidden if hides(hidden) => into.extend_from_slice(format!("\\u{:04x}", hidden as u32).as_bytes()),
        harmless => push(harmless, into),
    }
}

fn push(character: char, into: &mut Vec<u8>) {
    into.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Takes the backslashes of a field away again. What follows one and was never written by us stays as it is.
pub(super) fn undo(field: &str) -> Cow<'_, str> {
    let Some(first) = field.find('\\') else {
        return Cow::Borrowed(field);
    };
    let (clean, mut rest) = field.split_at(first);
    let mut text = clean.to_owned();
    while let Some(escaped) = rest.strip_prefix('\\') {
        let (character, after) = one(escaped);
        text.push(character);
        let next = after.find('\\').unwrap_or(after.len());
        text.push_str(&after[..next]);
        rest = &after[next..];
    }
    Cow::Owned(text)
}

/// The character that stands behind a backslash, and what follows it.
fn one(escaped: &str) -> (char, &str) {
    let mut characters = escaped.chars();
    match characters.next() {
        Some('n') => ('\n', characters.as_str()),
        Some('r') => ('\r', characters.as_str()),
        Some('t') => ('\t', characters.as_str()),
        Some('u') => by_number(characters.as_str()).unwrap_or(('\\', escaped)),
        Some(punctuation) if punctuation.is_ascii_punctuation() || punctuation == ' ' => {
            (punctuation, characters.as_str())
        }
        _ => ('\\', escaped),
    }
}

/// `{1b}`, and what follows it.
fn by_number(text: &str) -> Option<(char, &str)> {
    let (digits, after) = text.strip_prefix('{')?.split_once('}')?;
    let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    Some((character, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_special_byte_is_found(text in "([ -~]{0,40}[;\\\\\\n\\x7f\u{e9}\u{85}\u{2028}]?){0,3}") {
            let mut special = Special::and(b"\\");
            special.set(b';');
            let is = |byte: &u8| special.is_special[usize::from(*byte)];
            prop_assert_eq!(special.find(text.as_bytes()), text.as_bytes().iter().position(is));
        }

        #[test]
        fn a_text_without_what_is_special_is_copied(text in any::<String>()) {
            let mut copied = Vec::new();
            Special::and(b"").copy(text.as_bytes(), &mut copied, push);
            prop_assert_eq!(copied, text.as_bytes());
        }
    }
}
