//! Which of several stored responses a request gets (RFC 9111, 4.1).
//!
//! Fields that a response varies by are compared in a normal form, so that requests that mean the same share a response:
//! blanks around commas and the case of codings and languages do not count, and neither do the weights of codings, of which a
//! server can only choose one that is accepted.
//!
//! Where the balancer compresses, it is the coding it chooses that counts, in place of all that is accepted: requests that get the
//! same share a response.

use crate::{
    compress::{is_refused, wanted},
    http::{
        fields::{Fields, Known, elements},
        head::Request,
    },
};

/// Stands among names for the coding that is chosen here. No field's name has a colon.
const CODING: &[u8] = b":coding";
const ACCEPT_ENCODING: &[u8] = b"accept-encoding";

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

/// Whether responses vary by the coding that is chosen here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ByCoding {
    #[default]
    No,
    /// And the server varies them by `Accept-Encoding` itself.
    Also,
    /// `Accept-Encoding` is in `Vary` for that alone.
    Alone,
}

impl ByCoding {
    /// What the names of stored variants tell of it.
    pub fn of<'a>(mut names: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        let accepted = names.clone().any(|name| name == ACCEPT_ENCODING);
        match names.any(|name| name == CODING) {
            false => Self::No,
            true if accepted => Self::Also,
            true => Self::Alone,
        }
    }

    /// The names by which variants are told apart whose `Vary` has `names`.
    pub fn tell_apart(self, mut names: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        if self == Self::Alone {
            names.retain(|name| name != ACCEPT_ENCODING);
        }
        if self != Self::No {
            names.insert(0, CODING.to_vec());
        }
        names
    }
}

/// Adds to the fields of a stored response what their `Vary` lost by an update: that it varies by codings.
pub fn keep_coding(stored: &Fields, freshened: &mut Fields) {
    let accepted =
        |fields| matches!(Vary::of(fields), Vary::By(names) if names.iter().any(|name| name == ACCEPT_ENCODING));
    if accepted(stored) && !accepted(freshened) && Vary::of(freshened) != Vary::Any {
        freshened.push(b"Vary", b"Accept-Encoding");
    }
}

/// What a request says in the fields `names`, as bytes that are the same for requests that match.
pub fn selecting<'a>(request: &Request, names: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut key = Vec::new();
    for name in names {
        key.extend_from_slice(name);
        if name == CODING {
            let coding = wanted(request).map_or("identity", |coding| coding.name());
            key.extend_from_slice(coding.as_bytes());
        }
        let mut lines = request.fields().get_all(name).peekable();
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
            match (is_refused(weight), coding.as_slice()) {
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

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{fields, request},
        *,
    };

    fn same(name: &str, one: &[&str], other: &[&str]) -> bool {
        let of = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|line| (name, *line)).collect();
            selecting(&request(&lines), [name.to_ascii_lowercase().as_bytes()].into_iter())
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
        let forged = selecting(&request(&[("a", "1\tb:2")]), names());
        assert_ne!(forged, selecting(&request(&[("a", "1"), ("b", "2")]), names()));
    }

    #[test]
    fn requests_that_get_the_same_coding_share_a_variant() {
        let names =
            |by: ByCoding, vary: &[&str]| by.tell_apart(vary.iter().map(|name| name.as_bytes().to_vec()).collect());
        let alone = names(ByCoding::Alone, &["accept-encoding", "cookie"]);
        assert_eq!(alone, [CODING.to_vec(), b"cookie".to_vec()]);
        let key = |accepted: &str| {
            selecting(
                &request(&[("Accept-Encoding", accepted)]),
                alone.iter().map(Vec::as_slice),
            )
        };
        assert_eq!(key("gzip, deflate, br, zstd"), key("zstd, gzip"));
        assert_ne!(key("gzip"), key("zstd, gzip"));
        assert_eq!(key("deflate"), key("identity"));
        assert_eq!(
            names(ByCoding::Also, &["accept-encoding"]),
            [CODING.to_vec(), b"accept-encoding".to_vec()]
        );
        assert_eq!(names(ByCoding::No, &["accept-encoding"]), [b"accept-encoding".to_vec()]);
        for by in [ByCoding::Also, ByCoding::Alone] {
            let names = names(by, &["accept-encoding"]);
            assert_eq!(ByCoding::of(names.iter().map(Vec::as_slice)), by);
        }
    }

    #[test]
    fn an_update_does_not_take_the_coding_out_of_vary() {
        for (stored, told, kept) in [
            ("Cookie, Accept-Encoding", "Cookie", vec!["Cookie", "Accept-Encoding"]),
            ("Accept-Encoding", "accept-encoding", vec!["accept-encoding"]),
            ("Accept-Encoding", "*", vec!["*"]),
            ("Cookie", "Cookie", vec!["Cookie"]),
        ] {
            let mut fresh = fields(&[("Vary", told)]);
            keep_coding(&fields(&[("Vary", stored)]), &mut fresh);
            let lines: Vec<_> = fresh
                .get_all(b"vary")
                .map(|line| String::from_utf8_lossy(line))
                .collect();
            assert_eq!(lines, kept, "{stored} {told}");
        }
    }
}
