//! Header fields of one message, flat: one buffer of bytes and one list of spans, both reused from message to message.
//!
//! Every span is a whole line exactly as it will be written again: `name`, `": "`, `value`, CRLF. A parsed line that
//! already looks so stays where the parser found it; any other (no space after the colon, trailing blanks) is written
//! once more behind the rest. So passing a field on is one copy, and a request head costs one copy and no allocation
//! once the buffers are warm.
//!
//! Names are classified when they are stored: framing, routing and identity are decided on [`Known`], never on text.
//!
//! Given up: fast lookup by name. A message has a dozen fields and the hot path walks all of them anyway.

mod known;
mod lines;

use bytes::{BufMut, BytesMut};

pub use known::{Known, classify};
pub use lines::Lines;

/// Capacity that is kept between messages; a connection that once carried a large head does not hold on to it.
const KEPT_BYTES: usize = 2048;
const KEPT_SPANS: usize = 32;

/// Whether `name` is a token (RFC 9110, 5.6.2), as the names of fields and methods are.
pub fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| is_token_byte(*byte))
}

pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether `value` may stand in a field: no control character but the tab (RFC 9110, 5.5).
pub fn is_value(value: &[u8]) -> bool {
    value
        .iter()
        .all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}

/// The elements of a comma-separated list, trimmed, without the empty ones (RFC 9110, 5.6.1.2).
pub fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// One field of a message, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    pub known: Known,
    pub name: &'a [u8],
    pub value: &'a [u8],
    /// The whole line as it is written, or nothing when it must be put together.
    line: &'a [u8],
}

impl<'a> Field<'a> {
    /// A field of one's own, such as `Field::new(b"via", b"1.1 headrace")`.
    pub fn new(name: &'a [u8], value: &'a [u8]) -> Self {
        Self {
            known: classify(name),
            name,
            value,
            line: &[],
        }
    }

    /// The same where it is known what `name` means.
    pub const fn classified(known: Known, name: &'a [u8], value: &'a [u8]) -> Self {
        Self {
            known,
            name,
            value,
            line: &[],
        }
    }

    /// A field that was found in `text` with `name` and `value` at these places; keeps the line if it can be written
    /// as it stands there.
    pub(super) fn found(text: &'a [u8], known: Known, name: Slice, value: Slice) -> Self {
        let line = match plain_line(text, name, value) {
            Some(line) => line.of(text),
            None => &[],
        };
        Self {
            known,
            name: name.of(text),
            value: value.of(text),
            line,
        }
    }

    /// Appends the field's line to `out`.
    #[inline]
    pub fn write(&self, out: &mut BytesMut) {
        if self.line.is_empty() {
            write_field(out, self.name, self.value);
        } else {
            out.extend_from_slice(self.line);
        }
    }
}

/// Appends `name: value` and CRLF.
pub fn write_field(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// A range of bytes within a head; heads are limited to far less than the 4 GiB that would not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Slice {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Slice {
    pub(super) fn new(start: usize, len: usize) -> Self {
        Self {
            start: start as u32,
            end: (start + len) as u32,
        }
    }

    /// Where `part`, which must be a part of `whole`, lies in it.
    #[inline]
    pub(super) fn locate(part: &[u8], whole: &[u8]) -> Self {
        Self::new(part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr()), part.len())
    }

    #[inline]
    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// The line from `name` to the CRLF after `value`, if it is written as we would write it.
#[inline]
fn plain_line(text: &[u8], name: Slice, value: Slice) -> Option<Slice> {
    let line = Slice {
        start: name.start,
        end: value.end + 2,
    };
    let separator = Slice {
        start: name.end,
        end: value.start,
    };
    (separator.of(text) == b": " && line.of(text).ends_with(b"\r\n")).then_some(line)
}

#[derive(Debug, Clone, Copy)]
struct Span {
    line: Slice,
    name: u32,
    known: Known,
}

/// The fields of a message, in the order in which they came.
#[derive(Debug, Default)]
pub struct Fields {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl Fields {
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the fields and keeps what a usual message needs of the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.spans.clear();
        self.spans.shrink_to(KEPT_SPANS);
    }

    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Adds a field at the end. Name and value are taken as they are: [`is_token`] and [`is_value`] are the caller's
    /// to ask when they come from outside.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.push_known(classify(name), name, value);
    }

    pub(super) fn push_known(&mut self, known: Known, name: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.reserve(name.len() + value.len() + 4);
        for part in [name, b": ", value, b"\r\n"] {
            self.bytes.extend_from_slice(part);
        }
        let line = Slice::new(start, self.bytes.len() - start);
        self.spans.push(Span {
            line,
            name: name.len() as u32,
            known,
        });
    }

    /// Adds bytes that are no field but live as long, such as a request line.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Slice {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        Slice::new(start, bytes.len())
    }

    /// The bytes at `slice`, which `append` or a parser has put there.
    #[inline]
    pub(super) fn bytes_at(&self, slice: Slice) -> &[u8] {
        slice.of(&self.bytes)
    }

    /// Adds the field that lies at these places of `text`, which was appended first of all.
    #[inline]
    pub(super) fn adopt(&mut self, text: &[u8], known: Known, name: Slice, value: Slice) {
        match plain_line(text, name, value) {
            Some(line) => self.spans.push(Span {
                line,
                name: name.end - name.start,
                known,
            }),
            None => self.push_known(known, name.of(text), value.of(text)),
        }
    }

    /// Drops the fields for which `keep` is false.
    pub fn retain(&mut self, keep: impl Fn(Field<'_>) -> bool) {
        let Self { bytes, spans } = self;
        spans.retain(|span| keep(span.field(bytes)));
    }

    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        self.spans.iter().map(|span| span.field(&self.bytes))
    }

    /// Appends the lines of the fields for which `keep` is true. Neighbours are copied together.
    #[inline]
    pub fn write_where<'f>(&'f self, out: &mut BytesMut, mut keep: impl FnMut(Field<'f>) -> bool) {
        let mut run = Slice::default();
        for span in &self.spans {
            if !keep(span.field(&self.bytes)) {
                continue;
            }
            if span.line.start != run.end {
                out.extend_from_slice(self.bytes_at(run));
                run.start = span.line.start;
            }
            run.end = span.line.end;
        }
        out.extend_from_slice(self.bytes_at(run));
    }

    /// The value of the first field with this name, in any case.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    }

    /// The values of all fields with this name, in any case.
    pub fn get_all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let named = self.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value)
    }

    /// The value of the first field of this kind.
    pub fn known(&self, known: Known) -> Option<&[u8]> {
        self.spans
            .iter()
            .find(|span| span.known == known)
            .map(|span| span.field(&self.bytes).value)
    }
}

impl Span {
    #[inline]
    fn field(self, bytes: &[u8]) -> Field<'_> {
        let line = self.line.of(bytes);
        let (name, rest) = line.split_at_checked(self.name as usize).unwrap_or_default();
        let value = rest.get(2..rest.len().saturating_sub(2)).unwrap_or_default();
        Field {
            known: self.known,
            name,
            value,
            line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_values_are_told_from_others() {
        assert!(is_token(b"X-Mill!#$%&'*+.^_`|~9"));
        for name in ["", "a b", "a:", "a\0", "a\r", "(a)", "\u{e9}", "a\"", "a/"] {
            assert!(!is_token(name.as_bytes()), "{name}");
        }
        assert!(is_value("plain, \t \u{e9}".as_bytes()) && is_value(b""));
        for value in ["a\r\nb", "a\0", "\x7f", "\x1b[0m", "\n"] {
            assert!(!is_value(value.as_bytes()), "{value:?}");
        }
    }

    #[test]
    fn fields_come_back_in_order_and_are_written_as_lines() {
        let mut fields = Fields::new();
        fields.push(b"Set-Cookie", b"a=1");
        fields.push(b"x-empty", b"");
        fields.push(b"set-cookie", b"b=2");
        let mut out = BytesMut::new();
        fields.iter().for_each(|field| field.write(&mut out));
        assert_eq!(out, "Set-Cookie: a=1\r\nx-empty: \r\nset-cookie: b=2\r\n");
        assert_eq!(fields.get(b"SET-COOKIE"), Some(&b"a=1"[..]));
        assert_eq!(fields.known(Known::SetCookie), Some(&b"a=1"[..]));
        assert_eq!(fields.get(b"x-empty"), Some(&b""[..]));
        for left_out in [&b"Set-Cookie"[..], b"x-empty", b"set-cookie"] {
            let (mut one_by_one, mut together) = (BytesMut::new(), BytesMut::new());
            let keep = |field: &Field<'_>| field.name != left_out;
            fields
                .iter()
                .filter(keep)
                .for_each(|field| field.write(&mut one_by_one));
            fields.write_where(&mut together, |field| keep(&field));
            assert_eq!(one_by_one, together);
        }
        fields.retain(|field| field.known != Known::SetCookie);
        assert_eq!((fields.len(), fields.get(b"set-cookie")), (1, None));
    }

    #[test]
    fn large_memory_is_not_kept() {
        let mut fields = Fields::new();
        for _ in 0..1000 {
            fields.push(b"x-large", &[b'x'; 100]);
        }
        fields.clear();
        assert!(fields.is_empty() && fields.bytes.capacity() <= KEPT_BYTES && fields.spans.capacity() <= KEPT_SPANS);
    }
}
