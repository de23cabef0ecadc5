//! Which of several stored responses a request gets (RFC 9111, 4.1).
//!
//! Fields that a response varies by are compared in a normal form, so that requests that mean the same share a response:
//! blanks around commas and the case of codings and languages do not count, and neither do the weights of codings, of which a
//! server can only choose one that is accepted.

use crate::http::fields::{Fields, Known, elements};

/// What `Vary` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vary {
    /// Names in lower case, sorted, each once; none where there is no such field.
    By(Vec<Vec<u8>>),
    /// `*`: no other request ever fits.
    Any,
}

impl Vary {
    pub fn of(fields: &Fields) -> Self {
        let lines = fields.iter().filter(|field| field.known == Known::Vary);
        let mut names: Vec<_> = lines
            .flat_map(|field| elements(field.value))
            .map(<[u8]>::to_ascii_lowercase)
            .collect();
        if names.iter().any(|name| name == b"*") {
            return Self::Any;
        }
        names.sort();
        names.dedup();
        Self::By(names)
    }
}

/// What a request says in the fields `names`, as bytes that are the same for requests that match.
pub fn selecting<'a>(request: &Fields, names: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut key = Vec::new();
    for name in names {
        key.extend_from_slice(name);
        let mut lines = request.get_all(name).peekable();
        // A field that is absent matches no other than an absent one.
        if lines.peek().is_some() {
            key.push(b':');
            normal(name, lines, &mut key);
        }
        key.push(b'\n');
    }
    key
}

fn normal<'a>(name: &[u8], lines: impl Iterator<Item = &'a [u8]>, into: &mut Vec<u8>) {
    let listed: Vec<_> = match name {
        b"accept-encoding" => codings(lines),
        b"accept-language" | b"accept-charset" => {
            lines.flat_map(compact).map(|part| part.to_ascii_lowercase()).collect()
        }
        b"accept" | b"origin" | b"accept-ch" | b"prefer" => lines.flat_map(compact).collect(),
        // Of a field whose grammar is not known, commas may mean anything.
        _ => lines.map(|line| line.trim_ascii().to_vec()).collect(),
    };
    into.extend_from_slice(&listed.join(b",".as_slice()));
}

/// The elements of a list without blanks around them and their parameters.
fn compact(line: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    elements(line).map(|element| {
        let parts: Vec<_> = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).collect();
        parts.join(b";".as_slice())
    })
}

/// The codings that are accepted, sorted; of those that are not, `identity` and `*` matter (RFC 9110, 12.5.3).
fn codings<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut codings: Vec<_> = lines
        .flat_map(elements)
        .filter_map(|element| {
            let (coding, weight) = match memchr::memchr(b';', element) {
                Some(at) => element.split_at(at),
                None => (element, b"".as_slice()),
            };
            let mut coding = coding.trim_ascii().to_ascii_lowercase();
            if let Some(plain) = coding
                .strip_prefix(b"x-")
                .filter(|plain| matches!(*plain, b"gzip" | b"compress"))
            {
                coding = plain.to_vec();
            }
            match (is_zero(weight), coding.as_slice()) {
                (false, _) => {}
                (true, b"identity" | b"*") => coding.extend_from_slice(b";q=0"),
                (true, _) => return None,
            }
            Some(coding)
        })
        .collect();
    codings.sort();
    codings.dedup();
    codings
}

/// Whether `;q=0`, or `0.0` and so on, follows a coding.
fn is_zero(weight: &[u8]) -> bool {
    let compact: Vec<u8> = weight
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .copied()
        .collect();
    let value = compact.strip_prefix(b";q=").or_else(|| compact.strip_prefix(b";Q="));
    value.is_some_and(|value| !value.is_empty() && value.iter().all(|byte| matches!(byte, b'0' | b'.')))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::fields, *};

    fn same(name: &str, one: &[&str], other: &[&str]) -> bool {
        let of = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|line| (name, *line)).collect();
            selecting(&fields(&lines), [name.to_ascii_lowercase().as_bytes()].into_iter())
        };
        of(one) == of(other)
    }

    #[test]
    fn rfc9111_4_1_names_are_collected_over_lines() {
        let by = |names: &[&str]| Vary::By(names.iter().map(|name| name.as_bytes().to_vec()).collect());
        assert_eq!(Vary::of(&fields(&[])), by(&[]));
        let lines = [("Vary", "Accept-Encoding, accept"), ("vary", "ACCEPT , Cookie,")];
        assert_eq!(Vary::of(&fields(&lines)), by(&["accept", "accept-encoding", "cookie"]));
        assert_eq!(Vary::of(&fields(&[("Vary", "accept, *")])), Vary::Any);
    }

    #[test]
    fn rfc9111_4_1_fields_match_in_their_normal_form() {
        for (name, one, other, matches) in [
            ("X-A", vec!["1"], vec!["1"], true),
            ("X-A", vec!["1"], vec!["2"], false),
            ("X-A", vec!["a"], vec!["A"], false),
            ("X-A", vec![" a "], vec!["a"], true),
            ("X-A", vec!["a", "b"], vec!["a,b"], true),
            ("X-A", vec![], vec![], true),
            ("X-A", vec![], vec![""], false),
            ("Accept", vec!["a/b;q=1 , c/d"], vec!["a/b; q=1,c/d"], true),
            ("Accept", vec!["a/b", "c/d"], vec!["a/b, c/d"], true),
            ("Accept", vec!["a/b, c/d"], vec!["c/d, a/b"], false),
            ("Accept-Language", vec!["EN, de"], vec!["en,DE"], true),
            (
                "Accept-Encoding",
                vec!["gzip, br"],
                vec!["BR;q=0.9, x-gzip;q=0.1"],
                true,
            ),
            ("Accept-Encoding", vec!["gzip"], vec!["gzip, br;q=0"], true),
            ("Accept-Encoding", vec!["gzip"], vec!["gzip, br;q=0.01"], false),
            ("Accept-Encoding", vec!["gzip"], vec!["gzip, identity; q=0.000"], false),
            ("Accept-Encoding", vec!["gzip"], vec!["gzip, *;q=0"], false),
            ("Accept-Encoding", vec!["gzip"], vec!["gzip, dcb"], false),
        ] {
            assert_eq!(same(name, &one, &other), matches, "{name} {one:?} {other:?}");
        }
    }

    #[test]
    fn rfc9111_4_1_one_field_cannot_pass_for_two() {
        let names = || [b"a".as_slice(), b"b"].into_iter();
        let forged = selecting(&fields(&[("a", "1\tb:2")]), names());
        assert_ne!(forged, selecting(&fields(&[("a", "1"), ("b", "2")]), names()));
    }
}
