//! JSON read in one pass: what it allows is checked, and nothing is built but the spans of what is in it.
//!
//! It takes what `serde_json` takes (RFC 8259), but for values that nest deeper than `MAX_DEPTH`.

use super::value::{behind_colon, behind_space, behind_string, behind_value, next_mark};

/// How deep a value may nest. Programs that read what has landed parse it recursively; Python's and most others' limits lie
/// above this (`serde_json` has the same).
pub const MAX_DEPTH: usize = 128;

/// Whether all of a text is printable ASCII and no backslash: then each string of its JSON says what stands between its
/// quotes, and ends at the next one.
pub fn is_clean(text: &[u8]) -> bool {
    let is_odd = |byte: u8| byte.wrapping_sub(b' ') >= 0x7f - b' ' || byte == b'\\';
    // Sixteen are asked at once, without leaving early: the compiler makes a dozen instructions of it.
    let are_clean = |some: &[u8; 16]| !some.iter().fold(false, |odd, byte| odd | is_odd(*byte));
    match text.last_chunk() {
        Some(last) => text.as_chunks().0.iter().all(are_clean) && are_clean(last),
        None => !text.iter().copied().any(is_odd),
    }
}

/// A place in a JSON text. What a call answers with `None` is not JSON, or too deep; the place is then of no use any more.
///
/// `CLEAN` is a promise: [`is_clean`] has said so of the text.
pub struct Scan<'a, const CLEAN: bool = false> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    pub fn new(text: &'a str) -> Self {
        Self::at_start(text)
    }
}

impl<'a, const CLEAN: bool> Scan<'a, CLEAN> {
    pub fn at_start(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub fn byte(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    pub fn take(&mut self, byte: u8) -> Option<()> {
        (self.byte()? == byte).then_some(())
    }

    pub fn space(&mut self) {
        self.at = behind_space(self.text.as_bytes(), self.at);
    }

    /// Between a name and its value.
    pub fn colon(&mut self) -> Option<()> {
        self.at = behind_colon(self.text.as_bytes(), self.at)?;
        Some(())
    }

    /// The text of a string that has no escapes.
    pub fn plain_text(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let end = next_mark(self.text.as_bytes(), self.at)?;
        let text = self.text.get(self.at..end)?;
        self.at = end;
        self.take(b'"')?;
        Some(text)
    }

    /// An array's elements, each as it stands there.
    pub fn elements(&mut self) -> Option<Vec<&'a str>> {
        let mut elements = Vec::new();
        self.array(|scan| {
            elements.push(scan.spanned()?);
            Some(())
        })?;
        Some(elements)
    }

    /// An array whose elements `each` takes, from the first byte of one to behind its last.
    pub fn array(&mut self, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        self.space();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.space();
            each(self)?;
            self.space();
            match self.byte()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    /// An object: `each` gets its names and values, each as it stands there, quotes and escapes included.
    pub fn object(&mut self, mut each: impl FnMut(&'a str, &'a str)) -> Option<()> {
        self.take(b'{')?;
        self.space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.space();
            let start = self.at;
            self.string()?;
            let name = self.text.get(start..self.at)?;
            self.colon()?;
            each(name, self.spanned()?);
            self.space();
            match self.byte()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Any value, as it stands there.
    pub fn spanned(&mut self) -> Option<&'a str> {
        let start = self.at;
        match self.peek()? {
            b'"' => self.string()?,
            _ => self.value()?,
        }
        self.text.get(start..self.at)
    }

    /// Any value that nests no deeper than `MAX_DEPTH`.
    pub fn value(&mut self) -> Option<()> {
        self.at = behind_value::<CLEAN>(self.text.as_bytes(), self.at)?;
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        self.at = behind_string::<CLEAN>(self.text.as_bytes(), self.at)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_clean_where_each_byte_is() {
        for length in 0..40 {
            assert!(is_clean(&vec![b'a'; length]));
            for (at, byte) in (0..length).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
                let mut text = vec![b'~'; length];
                text[at] = byte;
                let clean = (b' '..0x7f).contains(&byte) && byte != b'\\';
                assert_eq!(is_clean(&text), clean, "{byte} at {at} of {length}");
            }
        }
    }

    #[test]
    fn a_clean_string_ends_at_its_next_quote() {
        for length in 0..50 {
            for behind in ["", "\"", "xx\"xxxxxxxxxxxxxxxxxxxxxx"] {
                let text = format!("\"{}\"{behind}", "x".repeat(length));
                let mut scan = Scan::<true>::at_start(&text);
                assert_eq!(scan.spanned().map(str::len), Some(length + 2), "{text}");
            }
            let open = format!("\"{}", "x".repeat(length));
            assert_eq!(Scan::<true>::at_start(&open).spanned(), None);
        }
    }
}
