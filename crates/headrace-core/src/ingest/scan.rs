//! A collection read in one pass.
//!
//! It knows the plain case, which is nearly all there is, and takes nothing that it doesn't know for sure: whatever it
//! answers with `None` is read again by `serde_json`, which finds out what is wrong with it, if anything. On what it
//! takes the two agree; tests below hold it to that. It costs a quarter of the other at most.

use super::collection::Collection;
use crate::intake::Scan;

/// Reads a collection whose fields have plain names and texts without escapes, each of them once.
pub(super) fn collection(text: &str) -> Option<Collection<'_>> {
    let mut scan = Scan::new(text);
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
            "data" if payloads.is_none() => payloads = Some(scan.elements()?),
            _ => return None,
        }
        scan.space();
        match scan.byte()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    scan.space();
    let whole = scan.is_at_end();
    let (version, token, payloads) = (version?.into(), token?.into(), payloads?);
    whole.then_some(Collection {
        version,
        token,
        payloads,
        is_line: false,
    })
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::Index};
    use serde_json::{Value, json};

    use super::{super::collection::parse_with_serde, *};
    use crate::intake::MAX_DEPTH;

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
