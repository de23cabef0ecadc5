//! A collection as it is posted, checked and split in place.
//!
//! `{"version": "1", "token": "secret", "data": [payload, payload]}`: nothing else, nothing missing, nothing twice. A field
//! that nobody reads would be accepted and lost, so it is refused. A payload is any JSON value and stays the bytes it was
//! sent as, but for line ends between its parts, which become spaces: one payload is one line wherever it lands.

use std::{borrow::Cow, fmt};

use serde::Deserialize;
use serde_json::{error::Category, value::RawValue};

use super::scan;
use crate::intake::{MAX_DEPTH, as_line, is_too_deep};

/// How many characters of an error's beginning, and of its end, are told.
const QUOTED: usize = 120;

#[derive(Debug, PartialEq, Eq)]
pub struct Collection<'a> {
    /// Told by the client, for whoever reads the payloads; any text.
    pub version: Cow<'a, str>,
    pub token: Cow<'a, str>,
    /// Each is valid JSON.
    pub payloads: Vec<&'a str>,
    /// Whether it is known that no line end is in it, so that each payload is one line as it is.
    pub is_line: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parsed<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    token: Cow<'a, str>,
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
}

/// Why a body is no collection, in words for the client.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Malformed {
    fn new(why: impl fmt::Display) -> Self {
        Self(format!(
            "{why}. Send {{\"version\": \"1\", \"token\": \"\", \"data\": [payload, ...]}}."
        ))
    }
}

impl From<serde_json::Error> for Malformed {
    fn from(error: serde_json::Error) -> Self {
        let what = match error.classify() {
            Category::Data => "a collection",
            _ => "JSON",
        };
        Self::new(format_args!("The body is not {what}: {}", abridged(&error.to_string())))
    }
}

/// An error may quote what it complains of, however long that is; its beginning and its end, which tells the place, stay.
fn abridged(error: &str) -> Cow<'_, str> {
    let begin = error.char_indices().nth(QUOTED).map(|(at, _)| at);
    let end = error.char_indices().nth_back(QUOTED).map(|(at, _)| at);
    match (begin, end) {
        (Some(begin), Some(end)) if begin < end => format!("{} ... {}", &error[..begin], &error[end..]).into(),
        _ => error.into(),
    }
}

/// Reads a collection; the payloads are slices of `body`.
pub fn parse(body: &[u8]) -> Result<Collection<'_>, Malformed> {
    let line = as_line(body);
    let text = line.map_or_else(|| std::str::from_utf8(body), Ok).map_err(|error| {
        Malformed::new(format_args!(
            "The body is not UTF-8 from byte {} on",
            error.valid_up_to()
        ))
    })?;
    let collection = match scan::collection(text) {
        Some(collection) => collection,
        None => parse_with_serde(text)?,
    };
    Ok(Collection {
        is_line: line.is_some(),
        ..collection
    })
}

/// The same for all that is not plain.
pub(super) fn parse_with_serde(text: &str) -> Result<Collection<'_>, Malformed> {
    // Serde reads a struct from an array too.
    if text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('[') {
        return Err(Malformed::new(
            "The body is not a collection: it is an array, not an object",
        ));
    }
    let Parsed { version, token, data } = serde_json::from_str(text)?;
    let payloads: Vec<_> = data.into_iter().map(RawValue::get).collect();
    match payloads.iter().position(|payload| is_too_deep(payload)) {
        Some(index) => Err(Malformed::new(format_args!(
            "Payload {index} nests deeper than {MAX_DEPTH} levels"
        ))),
        None => Ok(Collection {
            version,
            token,
            payloads,
            is_line: false,
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::intake::one_line;

    fn payloads(body: &str) -> Vec<String> {
        let collection = parse(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
        collection.payloads.iter().map(|each| (*each).to_owned()).collect()
    }

    #[test]
    fn payloads_stay_as_they_were_sent() {
        let body =
            r#" { "data" : [ {"a": 1e400 , "a":2}, "\ud800", null, -0.0, [ ] ] , "version":"1","token":"\u0041" } "#;
        let expected = [r#"{"a": 1e400 , "a":2}"#, r#""\ud800""#, "null", "-0.0", "[ ]"];
        assert_eq!(payloads(body), expected);
        assert_eq!(
            parse(body.as_bytes()).map(|each| each.token.into_owned()),
            Ok("A".into())
        );
    }

    #[test]
    fn a_payload_is_one_line() {
        let body = "{\"version\": \"\", \"token\": \"\", \"data\": [{\r\n \"a\":\n 1\n}, \"\\n\"]}";
        let lines = parse(body.as_bytes()).map(|each| {
            let lines = each.payloads.iter().map(|payload| one_line(payload).into_owned());
            lines.collect::<Vec<_>>()
        });
        assert_eq!(lines, Ok(vec!["{   \"a\":  1 }".to_owned(), "\"\\n\"".to_owned()]));
    }

    #[test]
    fn what_is_no_collection_is_refused_with_the_reason() {
        for (body, why) in [
            ("", "not JSON: EOF"),
            ("{", "not JSON: EOF"),
            ("nonsense", "not JSON: expected"),
            ("null", "not a collection"),
            ("3", "not a collection"),
            (r#"["1", "", []]"#, "an array"),
            (r#"{"version": "1", "token": ""}"#, "missing field `data`"),
            (r#"{"version": "1", "data": []}"#, "missing field `token`"),
            (r#"{"token": "", "data": []}"#, "missing field `version`"),
            (r#"{"version": 1, "token": "", "data": []}"#, "integer `1`"),
            (r#"{"version": "1", "token": "", "data": {}}"#, "expected a sequence"),
            (
                r#"{"version": "1", "token": "", "data": [], "data": []}"#,
                "duplicate field `data`",
            ),
            (
                r#"{"version": "1", "token": "", "data": [], "more": 1}"#,
                "unknown field `more`",
            ),
            (r#"{"version": "1", "token": "", "data": []} {}"#, "trailing characters"),
            (r#"{"version": "1", "token": "", "data": [01]}"#, "not JSON"),
            (r#"{"version": "1", "token": "", "data": [1,]}"#, "not JSON"),
            (r#"{"version": "1", "token": "", "data": ['a']}"#, "not JSON"),
            (r#"{"version": "1", "token": "", "data": [NaN]}"#, "not JSON"),
            ("{\"version\": \"1\", \"token\": \"\", \"data\": [\"\n\"]}", "not JSON"),
            ("\u{feff}{}", "not JSON"),
        ] {
            let error = parse(body.as_bytes()).err().map(|error| error.to_string());
            assert!(
                error.as_ref().is_some_and(|error| error.contains(why)),
                "{body}: {error:?}"
            );
        }
        for long in [r#"{"NAME": 1}"#, r#"{"version": "1", "data": "NAME"}"#] {
            let body = long.replace("NAME", &"é".repeat(100_000));
            let error = parse(body.as_bytes()).err().map(|error| error.to_string());
            assert!(
                error.is_some_and(|error| error.len() < 1000 && error.contains("at line 1 column")),
                "{long}"
            );
        }
        let broken = b"{\"version\": \"1\", \"token\": \"\", \"data\": [\"\xff\"]}";
        assert!(parse(broken).is_err_and(|error| error.to_string().contains("not UTF-8 from byte 40 on")));
    }

    #[test]
    fn nesting_has_a_limit_that_brackets_in_strings_do_not_reach() {
        let nested = |depth: usize| {
            let payload = "[".repeat(depth) + &"]".repeat(depth);
            format!(r#"{{"version": "", "token": "", "data": [1, {payload}]}}"#)
        };
        assert_eq!(payloads(&nested(MAX_DEPTH)).len(), 2);
        for depth in [MAX_DEPTH + 1, 400_000] {
            let error = parse(nested(depth).as_bytes())
                .map(|_| ())
                .map_err(|error| error.to_string());
            assert!(error.is_err_and(|error| error.contains("Payload 1 nests deeper")));
        }
        let quoted = format!(
            r#"{{"version": "", "token": "", "data": ["\"{}\\"]}}"#,
            "[".repeat(1000)
        );
        assert_eq!(payloads(&quoted).len(), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
        }

        #[test]
        fn no_text_that_looks_like_a_collection_makes_it_panic(body in r#"[\[\]{}":,\\ a-z0-9]{0,60}"#) {
            let _ = parse(format!(r#"{{"version":"","token":"","data":[{body}]}}"#).as_bytes());
        }
    }
}
