//! Characters that must not stand in a line as they are.

use std::borrow::Cow;

/// Which bytes begin a character that has to be looked at.
#[derive(Debug, Clone)]
pub(super) struct Special([bool; 256]);

impl Special {
    /// Controls and what hides, and the bytes of `more`.
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
        let mut index = 0;
        while index < more.len() {
            special[more[index] as usize] = true;
            index += 1;
        }
        Self(special)
    }

    pub(super) fn set(&mut self, byte: u8) {
        self.0[usize::from(byte)] = true;
    }

    /// Appends `text`; each character that a special byte begins is left to `write`.
    pub(super) fn copy(&self, text: &str, into: &mut Vec<u8>, write: impl Fn(char, &mut Vec<u8>)) {
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|byte| self.0[usize::from(byte)]) {
            let (clean, special) = rest.split_at(at);
            into.extend_from_slice(clean.as_bytes());
            let mut characters = special.chars();
            if let Some(character) = characters.next() {
                write(character, into);
            }
            rest = characters.as_str();
        }
        into.extend_from_slice(rest.as_bytes());
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
        ascii if ascii.is_ascii() && special.0[ascii as usize] => into.extend_from_slice(&[b'\\', ascii as u8]),
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
