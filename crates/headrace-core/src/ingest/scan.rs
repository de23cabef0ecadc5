//! A collection read in one pass: what JSON allows is checked, and nothing is built but the spans of the payloads.
//!
//! It knows the plain case, which is nearly all there is, and takes nothing that it doesn't know for sure: whatever it
//! answers with `None` is read again by `serde_json`, which finds out what is wrong with it, if anything. On what it
//! takes the two agree; tests below hold it to that. It costs a quarter of the other.

use super::collection::{Collection, MAX_DEPTH};

/// Reads a collection whose fields have plain names and texts without escapes, each of them once.
pub(super) fn collection(text: &str) -> Option<Collection<'_>> {
    let mut scan = Scan { text, at: 0 };
    let (mut version, mut token, mut payloads) = (None, None, None);
    scan.space();
    scan.take(b'{')?;
    loop {
        scan.space();
        let name = scan.plain_text()?;
        scan.colon()?;
        match name {
            "version" if version.is_none() => version = Some(scan.plain_text()?),
            "token" if token.is_none() => token = Some(scan.plain_text()?),
            "data" if payloads.is_none() => payloads = Some(scan.payloads()?),
            _ => return None,
        }
        scan.space();
        match scan.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    scan.space();
    let whole = scan.at == text.len();
    let (version, token, payloads) = (version?.into(), token?.into(), payloads?);
    whole.then_some(Collection {
        version,
        token,
        payloads,
    })
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Between a name and its value.
    fn colon(&mut self) -> Option<()> {
        self.space();
        self.take(b':')?;
        self.space();
        Some(())
    }

    /// The text of a string that has no escapes.
    fn plain_text(&mut self) -> Option<&'a str> {
        let start = self.at + 1;
        self.string()?;
        let text = self.text.get(start..self.at - 1)?;
        (!text.contains('\\')).then_some(text)
    }

    /// An array's elements, each as it stands there.
    fn payloads(&mut self) -> Option<Vec<&'a str>> {
        let mut payloads = Vec::new();
        self.take(b'[')?;
        self.space();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(payloads);
        }
        loop {
            self.space();
            let start = self.at;
            self.value()?;
            payloads.push(self.text.get(start..self.at)?);
            self.space();
            match self.next()? {
                b',' => {}
                b']' => return Some(payloads),
                _ => return None,
            }
        }
    }

    /// Any value that nests no deeper than `MAX_DEPTH`.
    fn value(&mut self) -> Option<()> {
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
                match (self.next()?, objects & 1 == 1) {
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
        match self.next()? {
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
        loop {
            self.skip_plain();
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                0..0x20 => return None,
                _ => {}
            }
        }
    }

    /// Eight bytes at a time, up to the first quote, backslash or control character among eight of them. A byte of the
    /// sums below is marked if it is one of these, and so may be some of those behind it, but none before.
    fn skip_plain(&mut self) {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGH: u64 = 0x8080_8080_8080_8080;
        let is = |word: u64, byte: u8| {
            let differs = word ^ (ONES * u64::from(byte));
            differs.wrapping_sub(ONES) & !differs
        };
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
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => (0..4).try_for_each(|_| self.next()?.is_ascii_hexdigit().then_some(())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::Index};
    use serde_json::{Value, json};

    use super::{super::collection::parse_with_serde, *};

    fn agrees(body: &str) -> Result<(), TestCaseError> {
        if let Some(scanned) = collection(body) {
            let parsed = parse_with_serde(body).map_err(|error| TestCaseError::fail(format!("{body}: {error}")))?;
            prop_assert_eq!(scanned, parsed, "{}", body);
        }
        Ok(())
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(|number| json!(number)),
            any::<String>().prop_map(Value::from),
            "[ -~]{0,30}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    fn bodies() -> impl Strategy<Value = String> {
        (prop::collection::vec(values(), 0..5), any::<bool>()).prop_map(|(data, pretty)| {
            let body = json!({"version": "1", "token": "ü", "data": data});
            let written = if pretty {
                serde_json::to_string_pretty(&body)
            } else {
                serde_json::to_string(&body)
            };
            written.unwrap_or_default()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_is_plain_is_taken_as_serde_takes_it(body in bodies()) {
            prop_assert!(collection(&body).is_some(), "{}", body);
            agrees(&body)?;
        }

        #[test]
        fn what_is_taken_of_anything_else_is_what_serde_takes(
            body in bodies(), cuts in prop::collection::vec((any::<Index>(), r#"[\[\]{}":,\\ tu\x00-\x1f0-9eE+.-]{0,3}"#), 1..4)
        ) {
            let mut body: Vec<char> = body.chars().collect();
            for (at, put) in cuts {
                let at = at.index(body.len());
                body.splice(at..(at + 1).min(body.len()), put.chars());
                if body.is_empty() {
                    break;
                }
            }
            agrees(&body.into_iter().collect::<String>())?;
        }

        #[test]
        fn what_looks_like_a_collection_is_taken_only_where_serde_takes_it(data in r#"[\[\]{}":,\\ atruenlfs0-9eE+.-]{0,40}"#) {
            agrees(&format!(r#"{{"version":"","token":"","data":[{data}]}}"#))?;
            agrees(&format!(r#"{{"version":"","token":"","data":["{data}"]}}"#))?;
            agrees(&format!(r#"{{"version":"","token":"","data":[{{"{data}":1}}]{data}}}"#))?;
        }
    }

    #[test]
    fn each_byte_is_judged_at_each_place_of_a_string() {
        for byte in 0..0x80u8 {
            for at in 0..20 {
                let mut text = "é23456789012345678901".to_owned();
                text.insert(at + 2, char::from(byte));
                let body = format!(r#"{{"version":"","token":"","data":["{text}"]}}"#);
                let taken = collection(&body).is_some();
                assert_eq!(taken, parse_with_serde(&body).is_ok(), "{byte} at {at}");
            }
        }
    }

    #[test]
    fn what_it_does_not_know_for_sure_is_left_to_others() {
        for body in [
            r#"{"version":"\u0031","token":"","data":[]}"#,
            r#"{"versio\u006e":"1","token":"","data":[]}"#,
            r#"{"version":"1","token":"","data":[],"data":[]}"#,
            r#"{"version":"1","token":"","data":[]} {}"#,
            r#"{"version":"1","token":""}"#,
            r#"["1","",[]]"#,
            "",
        ] {
            assert_eq!(collection(body), None, "{body}");
        }
        for (depth, known) in [(MAX_DEPTH, true), (MAX_DEPTH + 1, false)] {
            for (opening, inner, closing) in [("[", "", "]"), ("[", "1", "]"), ("{\"a\":", "1", "}")] {
                let payload = opening.repeat(depth) + inner + &closing.repeat(depth);
                let body = format!(r#"{{"version":"","token":"","data":[{payload}]}}"#);
                assert_eq!(collection(&body).is_some(), known, "{depth} of {opening}{inner}");
            }
        }
    }
}
