//! Structured fields (RFC 9651), as far as a cache reads them: lists and dictionaries of bare items.
//!
//! Strict, as the RFC wants it: what cannot be read to its end is as if it were not there, for a guess at the rest could
//! mean anything. Parameters are read and dropped, since nothing that is read here has any that matter.

/// A bare item. Byte sequences, decimals, dates and display strings mean nothing to a cache, but are told from errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Integer(i64),
    Text(String),
    Token(String),
    Boolean(bool),
    Other,
}

/// The members of a dictionary in order, each key once: of a repeated one the last counts.
///
/// ```
/// # use headrace_core::edge::structured::{Item, dictionary};
/// let members = dictionary([b"max-age=60, no-store".as_slice()]).unwrap();
/// assert_eq!(members[0], ("max-age".to_owned(), Item::Integer(60)));
/// assert_eq!(members[1], ("no-store".to_owned(), Item::Boolean(true)));
/// ```
pub fn dictionary<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<(String, Item)>> {
    let text = joined(lines);
    let mut parser = Parser::new(&text);
    let mut members: Vec<(String, Item)> = Vec::new();
    parser.members(|parser| {
        let key = parser.key()?;
        let item = if parser.take(b'=') {
            parser.item_or_list()?
        } else {
            parser.parameters()?;
            Item::Boolean(true)
        };
        members.retain(|(before, _)| *before != key);
        members.push((key, item));
        Some(())
    })?;
    Some(members)
}

/// The members of a list; inner lists are [`Item::Other`].
pub fn list<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<Item>> {
    let text = joined(lines);
    let mut parser = Parser::new(&text);
    let mut members = Vec::new();
    parser.members(|parser| {
        members.push(parser.item_or_list()?);
        Some(())
    })?;
    Some(members)
}

/// Lines of one field are one value (RFC 9651, 4.2).
fn joined<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    lines.into_iter().collect::<Vec<_>>().join(b",".as_slice())
}

struct Parser<'a> {
    rest: &'a [u8],
}

impl<'a> Parser<'a> {
    fn new(text: &'a [u8]) -> Self {
        let mut parser = Self { rest: text };
        parser.skip(b" ");
        parser
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.next();
        }
        found
    }

    fn skip(&mut self, blanks: &[u8]) {
        while self.peek().is_some_and(|byte| blanks.contains(&byte)) {
            self.next();
        }
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !wanted(*byte));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Reads members by `member` to the end of the text, which a comma must not be.
    fn members(&mut self, mut member: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        while self.peek().is_some() {
            member(self)?;
            self.skip(b" \t");
            if self.peek().is_none() {
                return Some(());
            }
            if !self.take(b',') {
                return None;
            }
            self.skip(b" \t");
            self.peek()?;
        }
        Some(())
    }

    fn key(&mut self) -> Option<String> {
        self.peek().filter(|byte| byte.is_ascii_lowercase() || *byte == b'*')?;
        let wanted = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte);
        Some(text(self.take_while(wanted)))
    }

    fn item_or_list(&mut self) -> Option<Item> {
        if !self.take(b'(') {
            let item = self.bare()?;
            self.parameters()?;
            return Some(item);
        }
        loop {
            self.skip(b" ");
            if self.take(b')') {
                self.parameters()?;
                return Some(Item::Other);
            }
            self.bare()?;
            self.parameters()?;
            self.peek().filter(|byte| b" )".contains(byte))?;
        }
    }

    fn parameters(&mut self) -> Option<()> {
        while self.take(b';') {
            self.skip(b" ");
            self.key()?;
            if self.take(b'=') {
                self.bare()?;
            }
        }
        Some(())
    }

    fn bare(&mut self) -> Option<Item> {
        match self.peek()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b'?' => {
                self.next();
                match self.next()? {
                    b'0' => Some(Item::Boolean(false)),
                    b'1' => Some(Item::Boolean(true)),
                    _ => None,
                }
            }
            b':' => self.bytes(),
            b'@' => {
                self.next();
                matches!(self.number()?, Item::Integer(_)).then_some(Item::Other)
            }
            byte if byte.is_ascii_alphabetic() || byte == b'*' => {
                let wanted = |byte| crate::http::fields::is_token_byte(byte) || b":/".contains(&byte);
                Some(Item::Token(text(self.take_while(wanted))))
            }
            _ => None,
        }
    }

    /// An integer of at most 15 digits, or a decimal of 12 and 3.
    fn number(&mut self) -> Option<Item> {
        let negative = self.take(b'-');
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if self.take(b'.') {
            let fraction = self.take_while(|byte| byte.is_ascii_digit());
            let fits = (1..=12).contains(&digits.len()) && (1..=3).contains(&fraction.len());
            return fits.then_some(Item::Other);
        }
        (1..=15).contains(&digits.len()).then_some(())?;
        let number: i64 = text(digits).parse().ok()?;
        Some(Item::Integer(if negative { -number } else { number }))
    }

    fn string(&mut self) -> Option<Item> {
        self.next();
        let mut read = String::new();
        loop {
            match self.next()? {
                b'"' => return Some(Item::Text(read)),
                b'\\' => read.push(char::from(self.next().filter(|byte| b"\"\\".contains(byte))?)),
                byte @ b' '..=b'~' => read.push(char::from(byte)),
                _ => return None,
            }
        }
    }

    fn bytes(&mut self) -> Option<Item> {
        self.next();
        self.take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
        self.take(b':').then_some(Item::Other)
    }
}

fn text(ascii: &[u8]) -> String {
    String::from_utf8_lossy(ascii).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Option<Vec<(String, Item)>> {
        dictionary([text.as_bytes()])
    }

    #[test]
    fn rfc9651_4_2_2_dictionaries_are_read() {
        let one = |key: &str, item| Some(vec![(key.to_owned(), item)]);
        for (text, read) in [
            ("", Some(vec![])),
            ("a", one("a", Item::Boolean(true))),
            ("a=?0", one("a", Item::Boolean(false))),
            ("a=-5", one("a", Item::Integer(-5))),
            ("a=1.5", one("a", Item::Other)),
            ("a=:aGk=:", one("a", Item::Other)),
            ("a=@1659578233", one("a", Item::Other)),
            ("a=(1 \"x\" y);q", one("a", Item::Other)),
            ("a=\"x\\\"y\"", one("a", Item::Text("x\"y".to_owned()))),
            ("a=tok/en:1;p=1;q", one("a", Item::Token("tok/en:1".to_owned()))),
            ("  a  ", one("a", Item::Boolean(true))),
            ("a=1,\ta=2", one("a", Item::Integer(2))),
        ] {
            assert_eq!(members(text), read, "{text}");
        }
    }

    #[test]
    fn rfc9651_4_2_what_cannot_be_read_is_not_there() {
        for text in [
            "A=1",
            "a=",
            "a=1,",
            ",",
            "a b",
            "a=1 b",
            "a=\"x",
            "a=\"\\x\"",
            "a=1234567890123456",
            "a=-",
            "a=1.",
            "a=(1",
            "a=?2",
            "a=:x",
            "a;=1",
            "=1",
            "a=é",
            "a=@1.5",
        ] {
            assert_eq!(members(text), None, "{text}");
        }
    }

    #[test]
    fn rfc9651_4_2_1_lists_are_read_over_several_lines() {
        let lines = [b"\"a\", b".as_slice(), b"3"];
        let read = [
            Item::Text("a".to_owned()),
            Item::Token("b".to_owned()),
            Item::Integer(3),
        ];
        assert_eq!(list(lines), Some(read.to_vec()));
        assert_eq!(list([b"\"a\"b".as_slice()]), None);
    }
}
