//! Any bytes as a batch: what is understood stays within the bounds, holds values that lie in the body in their order, and
//! written anew is understood as the same; what is not is refused with its place.
#![no_main]

use headrace_core::cache::{
    Bad, Lifetime, Target,
    batch::{MAX_OPERATIONS, Operation, read},
};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

/// The operation as lines and bytes of a body.
fn write(operation: &Operation, body: &mut Vec<u8>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("names in a batch are text");
    let (line, value) = match operation {
        Operation::Get {
            key,
            max_stale,
            with_tags,
        } => {
            let line = json!({"op": "get", "key": key, "max_stale": max_stale, "with_tags": with_tags});
            (line, None)
        }
        Operation::Delete { key } => (json!({"op": "delete", "key": key}), None),
        Operation::Invalidate { target, soft } => {
            let (kind, name) = match target {
                Target::Key(name) => ("key", name),
                Target::Tag(name) => ("tag", name),
                Target::Prefix(name) => ("prefix", name),
            };
            (json!({"op": "invalidate", kind: text(name), "soft": soft}), None)
        }
        Operation::Set {
            key,
            value,
            kind,
            life,
            tags,
            lease,
        } => {
            let Lifetime { fresh, stale } = life;
            let line = json!({
                "op": "set", "key": key, "length": value.len(), "max_age": fresh.as_secs_f64(),
                "stale": stale.as_secs_f64(), "tags": tags, "type": kind, "lease": lease,
            });
            (line, Some(value))
        }
    };
    body.extend_from_slice(line.to_string().as_bytes());
    body.push(b'\n');
    if let Some(value) = value {
        body.extend_from_slice(value);
        body.push(b'\n');
    }
}

/// Where the values lie in the body.
fn values_are_within(operations: &[Operation], body: &[u8]) {
    let mut end = body.as_ptr().addr();
    for operation in operations {
        if let Operation::Set { value, .. } = operation {
            assert!(value.as_ptr().addr() >= end, "values do not overlap");
            end = value.as_ptr().addr() + value.len();
        }
    }
    assert!(end <= body.as_ptr().addr() + body.len());
}

fuzz_target!(|body: &[u8]| {
    let read_once: Result<_, Bad> = read(body);
    match read_once {
        Err((_, why)) => assert!(why.starts_with("operation ") || why.starts_with("a batch has"), "{why}"),
        Ok(operations) => {
            assert!(operations.len() <= MAX_OPERATIONS);
            values_are_within(&operations, body);
            let mut again = Vec::new();
            operations.iter().for_each(|operation| write(operation, &mut again));
            assert_eq!(
                read(&again).expect("what was understood is understood again"),
                operations
            );
        }
    }
});
