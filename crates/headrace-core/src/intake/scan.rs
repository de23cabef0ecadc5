//! JSON read in one pass: what it allows is checked, and nothing is built but the spans of what is in it.
//!
//! It takes what `serde_json` takes (RFC 8259), but for values that nest deeper than `MAX_DEPTH`.

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
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Between a name and its value.
    pub fn colon(&mut self) -> Option<()> {
        self.space();
        self.take(b':')?;
        self.space();
        Some(())
    }

    /// The text of a string that has no escapes.
    pub fn plain_text(&mut self) -> Option<&'a str> {
        let start = self.at + 1;
        self.string()?;
        let text = self.text.get(start..self.at - 1)?;
        (!text.contains('\\')).then_some(text)
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
        // A bit for each level: whether it is an object.
        let (mut depth, mut objects) = (0, 0u128);
        loop {
            match self.peek()? {
                b'"' => self.string()?,
                b'-' | b'0'..=b'9' => self.number()?,
                b'{' | b'[' if depth == MAX_DEPTH => return None,
                opening @ (b'{' | b'[') => {
                    let object = opening == b'{';
                    self.at += 1;
                    self.space();
                    if self.peek()? == if object { b'}' } else { b']' } {
                        self.at += 1;
                    } else {
                        depth += 1;
                        objects = objects << 1 | u128::from(object);
                        if object {
                            self.name()?;
                        }
                        continue;
                    }
                }
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => return None,
            }
            // A value has ended, and with it perhaps those around it.
            loop {
                if depth == 0 {
                    return Some(());
                }
                self.space();
                match (self.byte()?, objects & 1 == 1) {
                    (b',', object) => {
                        self.space();
                        if object {
                            self.name()?;
                        }
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        depth -= 1;
                        objects >>= 1;
                    }
                    _ => return None,
                }
            }
        }
    }

    fn name(&mut self) -> Option<()> {
        self.string()?;
        self.colon()
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text.as_bytes()[self.at..].starts_with(word).then_some(())?;
        self.at += word.len();
        Some(())
    }

    /// RFC 8259, 6.
    fn number(&mut self) -> Option<()> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        match self.byte()? {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Some(())
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Option<()> {
        let start = self.at;
        self.digits();
        (self.at > start).then_some(())
    }

    /// RFC 8259, 7.
    fn string(&mut self) -> Option<()> {
        self.take(b'"')?;
        if CLEAN {
            return self.pass_quote();
        }
        loop {
            self.skip_plain();
            match self.byte()? {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                0..0x20 => return None,
                _ => {}
            }
        }
    }

    /// Up to behind the next quote. Names and most values are short; only for what is long a search is worth its call.
    fn pass_quote(&mut self) -> Option<()> {
        for _ in 0..SHORT_WORDS {
            let Some(eight) = self.text.as_bytes()[self.at..].first_chunk() else {
                break;
            };
            let quotes = is(u64::from_le_bytes(*eight), b'"') & HIGH;
            if quotes != 0 {
                self.at += quotes.trailing_zeros() as usize / 8 + 1;
                return Some(());
            }
            self.at += 8;
        }
        self.at += memchr::memchr(b'"', &self.text.as_bytes()[self.at..])? + 1;
        Some(())
    }

    /// Eight bytes at a time, up to the first quote, backslash or control character among eight of them.
    fn skip_plain(&mut self) {
        while let Some(eight) = self.text.as_bytes()[self.at..].first_chunk() {
            let word = u64::from_le_bytes(*eight);
            let control = word.wrapping_sub(ONES * 0x20) & !word;
            let marked = (is(word, b'"') | is(word, b'\\') | control) & HIGH;
            if marked != 0 {
                self.at += marked.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
    }

    fn escape(&mut self) -> Option<()> {
        match self.byte()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => (0..4).try_for_each(|_| self.byte()?.is_ascii_hexdigit().then_some(())),
            _ => None,
        }
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
