//! Fields that lie ready to be written: one block of lines, as what is stored has them.

use super::{Field, classify};

/// Lines as [`Field::write`] writes them, one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lines<'a> {
    text: &'a [u8],
    dated: bool,
}

impl<'a> Lines<'a> {
    /// `dated`: one of them is `Date`. Where `text` was cut off, so are the fields.
    pub fn new(text: &'a [u8], dated: bool) -> Self {
        Self { text, dated }
    }

    pub fn text(self) -> &'a [u8] {
        self.text
    }

    pub fn is_dated(self) -> bool {
        self.dated
    }

    /// The fields one by one. Names have no colon and values no line feed.
    pub fn fields(self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let mut rest = self.text;
        std::iter::from_fn(move || {
            let (line, after) = rest.split_at_checked(memchr::memchr(b'\n', rest)? + 1)?;
            rest = after;
            let (name, told) = line.split_at_checked(memchr::memchr(b':', line)?)?;
            let value = told.strip_prefix(b": ")?.strip_suffix(b"\r\n")?;
            Some(Field {
                known: classify(name),
                name,
                value,
                line,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::{super::Fields, *};

    #[test]
    fn lines_are_read_as_they_were_written() {
        let mut fields = Fields::new();
        fields.push(b"ETag", b"\"a: b\"");
        fields.push(b"X-Empty", b"");
        fields.push(b"date", b"today");
        let mut text = BytesMut::new();
        fields.write_where(&mut text, |_| true);
        let lines = Lines::new(&text, true);
        assert!(lines.fields().eq(fields.iter()));
        for end in 0..text.len() {
            assert!(Lines::new(&text[..end], false).fields().count() < 3);
        }
    }
}
