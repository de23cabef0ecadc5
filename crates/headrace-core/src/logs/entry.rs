//! One entry as a value, and its form in the journal: read once when it arrives, never parsed again.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | the time, nanoseconds since 1970, little-endian as all numbers here |
//! | 1 | marks |
//! | 1 and so many | the level |
//! | 2 and so many | the source |
//! | 4 and so many | the message |
//! | the rest | further fields: a JSON object, or nothing |

use std::str::from_utf8;

/// Longest level and source, in bytes. Whoever reads an entry from outside sees to it.
pub const MAX_LEVEL: usize = u8::MAX as usize;
pub const MAX_SOURCE: usize = u16::MAX as usize;

/// Bytes of an encoded entry that are no text.
const HEADS: usize = 8 + 1 + 1 + 2 + 4;

/// What is remarkable about an entry's time.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    #[default]
    None,
    /// It came without a time, and got that of its arrival.
    Undated,
    /// Its time lay too far ahead, and was replaced by that of its arrival; the fields have what it said.
    Clamped,
}

/// What was logged, and when. Borrowed from the bytes it came in.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Nanoseconds since 1970.
    pub time: i64,
    pub mark: Mark,
    /// Such as `INFO`; empty where none was told.
    pub level: &'a str,
    pub source: &'a str,
    pub message: &'a str,
    /// What else was said of it: a JSON object on one line, or empty.
    pub fields: &'a str,
}

/// An entry as it waits in the journal, which vouches for its bytes: its texts are UTF-8 without being looked at again.
#[derive(Debug, Clone, Copy)]
pub struct Encoded<'a> {
    pub time: i64,
    pub mark: Mark,
    pub level: &'a [u8],
    pub source: &'a [u8],
    pub message: &'a [u8],
    pub fields: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Appends the entry's form in the journal. A level or source that is too long is cut at a character.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let level = cut(self.level, MAX_LEVEL);
        let source = cut(self.source, MAX_SOURCE);
        into.reserve(HEADS + level.len() + source.len() + self.message.len() + self.fields.len());
        into.extend_from_slice(&self.time.to_le_bytes());
        into.extend_from_slice(&[self.mark as u8, level.len() as u8]);
        into.extend_from_slice(level.as_bytes());
        into.extend_from_slice(&(source.len() as u16).to_le_bytes());
        into.extend_from_slice(source.as_bytes());
        into.extend_from_slice(&(self.message.len() as u32).to_le_bytes());
        into.extend_from_slice(self.message.as_bytes());
        into.extend_from_slice(self.fields.as_bytes());
    }

    /// Reads what `encode` wrote; none where the bytes are something else.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let encoded = Encoded::read(bytes)?;
        Some(Self {
            time: encoded.time,
            mark: encoded.mark,
            level: from_utf8(encoded.level).ok()?,
            source: from_utf8(encoded.source).ok()?,
            message: from_utf8(encoded.message).ok()?,
            fields: from_utf8(encoded.fields).ok()?,
        })
    }

    /// The time alone of an encoded entry.
    pub fn time_of(bytes: &[u8]) -> Option<i64> {
        bytes.first_chunk().map(|time| i64::from_le_bytes(*time))
    }
}

impl<'a> Encoded<'a> {
    /// Reads what [`Entry::encode`] wrote; none where the bytes are of another form.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (time, rest) = bytes.split_first_chunk()?;
        let (&[mark, level], rest) = rest.split_first_chunk()?;
        let (level, rest) = rest.split_at_checked(level.into())?;
        let (source, rest) = rest.split_first_chunk()?;
        let (source, rest) = rest.split_at_checked(u16::from_le_bytes(*source).into())?;
        let (message, rest) = rest.split_first_chunk()?;
        let (message, fields) = rest.split_at_checked(u32::from_le_bytes(*message) as usize)?;
        Some(Self {
            time: i64::from_le_bytes(*time),
            mark: Mark::from_byte(mark)?,
            level,
            source,
            message,
            fields,
        })
    }
}

impl<'a> From<&Entry<'a>> for Encoded<'a> {
    fn from(entry: &Entry<'a>) -> Self {
        Self {
            time: entry.time,
            mark: entry.mark,
            level: entry.level.as_bytes(),
            source: entry.source.as_bytes(),
            message: entry.message.as_bytes(),
            fields: entry.fields.as_bytes(),
        }
    }
}

impl Mark {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::None, Self::Undated, Self::Clamped]
            .into_iter()
            .find(|mark| *mark as u8 == byte)
    }
}

/// The longest start of `text` that has at most `most` bytes.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: Entry<'static> = Entry {
        time: 1_774_000_000_123_456_789,
        mark: Mark::Clamped,
        level: "INFO",
        source: "load balancer",
        message: "Registering application server with address: 127.0.0.1:3000 \u{2713}\n",
        fields: r#"{"request_id":"7"}"#,
    };

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        for entry in [ENTRY, Entry::default()] {
            let mut bytes = Vec::new();
            entry.encode(&mut bytes);
            assert_eq!(Entry::decode(&bytes), Some(entry));
            assert_eq!(Entry::time_of(&bytes), Some(entry.time));
        }
    }

    #[test]
    fn what_is_cut_short_is_no_entry() {
        let mut bytes = Vec::new();
        ENTRY.encode(&mut bytes);
        let whole = bytes.len() - ENTRY.fields.len();
        assert!((0..whole).all(|length| Entry::decode(&bytes[..length]).is_none()));
    }

    #[test]
    fn a_level_that_is_too_long_is_cut_at_a_character() {
        let level = "\u{fc}".repeat(200);
        let entry = Entry { level: &level, ..ENTRY };
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        let read = Entry::decode(&bytes).map(|entry| entry.level.chars().count());
        assert_eq!(read, Some(127));
    }
}
