//! Any bytes as a collection: what is accepted says the same to a reader that parses all of it, its payloads are its data
//! array piece by piece, each of them a line; what is refused is no collection to that reader either.
#![no_main]

use headrace_core::{
    ingest::collection::{Collection, parse},
    intake::one_line,
};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    version: String,
    token: String,
    data: Vec<Value>,
}

/// What a reader makes of it that keeps no payload as it came. It knows less: no nesting as deep, no number beyond a
/// double, no lone surrogate.
fn read(body: &[u8]) -> Option<Read> {
    let value: Value = serde_json::from_slice(body).ok()?;
    // Where a member comes twice, the last one is in `value`; read from the bytes that is an error.
    value.is_object().then(|| serde_json::from_slice(body).ok()).flatten()
}

/// The payloads as they are landed.
fn lines(collection: &Collection) -> Vec<Vec<u8>> {
    let lines = collection
        .payloads
        .iter()
        .map(|each| one_line(each).into_owned().into_bytes());
    lines.collect()
}

/// The collection written anew.
fn write(collection: &Collection) -> Vec<u8> {
    let text = |text: &str| Value::from(text).to_string();
    let (version, token) = (text(&collection.version), text(&collection.token));
    let mut out = format!("{{\"version\": {version}, \"token\": {token}, \"data\": [").into_bytes();
    out.extend_from_slice(&lines(collection).join(&b','));
    out.extend_from_slice(b"]}");
    out
}

fuzz_target!(|body: &[u8]| {
    let Ok(collection) = parse(body) else {
        assert_eq!(read(body), None, "refused");
        return;
    };
    let anew = write(&collection);
    assert!(
        !anew.iter().any(|byte| matches!(byte, b'\n' | b'\r')),
        "a payload is a line"
    );
    let again = parse(&anew).expect("what was accepted is accepted again");
    assert_eq!((&again.version, &again.token), (&collection.version, &collection.token));
    assert_eq!(lines(&again), lines(&collection));
    if let Some(read_at_once) = read(body) {
        assert_eq!(read(&anew).as_ref(), Some(&read_at_once));
        assert_eq!(read_at_once.data.len(), collection.payloads.len());
        for (payload, value) in collection.payloads.iter().zip(&read_at_once.data) {
            assert_eq!(serde_json::from_str::<Value>(payload).ok().as_ref(), Some(value));
        }
    }
});
