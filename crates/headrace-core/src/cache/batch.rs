//! Many operations in one request, `POST /batch`: lines of JSON, and the bytes of values between them.
//!
//! | line | what follows | answer |
//! |---|---|---|
//! | `{"op":"get","key":"a"}`, with `"max_stale":true` stale ones too | | 200 with `length`, then the bytes; 404; with `"with_tags":true` its `tags` |
//! | `{"op":"set","key":"a","length":5,"max_age":60}`, perhaps `stale`, `tags`, `type`, `lease` | so many bytes, a line end | 204, 409, 413 |
//! | `{"op":"delete","key":"a"}` | | 204, 404 |
//! | `{"op":"invalidate","tag":"x"}`, or `key` or `prefix`, perhaps `"soft":true` | | 200 with `invalidated` |
//!
//! The body is understood as a whole before anything of it is done: a mistake anywhere leaves the cache as it was. Then
//! the operations are done in their order, and each is answered by a line with its `status`. Others may come in between;
//! it is no transaction.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;

use super::{
    Hit, Lifetime, New, Store, Stored,
    parameters::{Bad, Target, bad, check_tags, checked_key, checked_tag, living, number},
};

/// The kind of both bodies.
pub const KIND: &[u8] = b"application/vnd.headrace.batch";
/// Most operations of a batch.
pub const MAX_OPERATIONS: usize = 10_000;
/// Longest line; a key and 64 tags, escaped, fit.
const MAX_LINE: usize = 512 * 1024;
/// Longest `type`.
pub(super) const MAX_TYPE: usize = 256;

#[derive(Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    Get {
        key: String,
        max_stale: bool,
        with_tags: bool,
    },
    Set {
        key: String,
        value: &'a [u8],
        kind: String,
        life: Lifetime,
        tags: Vec<String>,
        lease: Option<u64>,
    },
    Delete {
        key: String,
    },
    Invalidate {
        target: Target<'static>,
        soft: bool,
    },
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Name {
    Get,
    Set,
    Delete,
    Invalidate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    op: Name,
    key: Option<String>,
    tag: Option<String>,
    prefix: Option<String>,
    length: Option<usize>,
    max_age: Option<f64>,
    #[serde(default)]
    stale: f64,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default, rename = "type")]
    kind: String,
    lease: Option<u64>,
    #[serde(default)]
    soft: bool,
    #[serde(default)]
    max_stale: bool,
    #[serde(default)]
    with_tags: bool,
}

/// The operations of a body.
pub fn read(body: &[u8]) -> Result<Vec<Operation<'_>>, Bad> {
    let mut operations = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        if operations.len() == MAX_OPERATIONS {
            return Err(bad(format!("a batch has at most {MAX_OPERATIONS} operations")));
        }
        let (operation, after) = next(rest).map_err(|(why, message)| {
            let number = operations.len() + 1;
            (why, Cow::Owned(format!("operation {number}: {message}")))
        })?;
        operations.push(operation);
        rest = after;
    }
    Ok(operations)
}

/// The operation that `text` begins with, and what follows it.
fn next(text: &[u8]) -> Result<(Operation<'_>, &[u8]), Bad> {
    let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
    if end > MAX_LINE {
        return Err(bad(format!("a line has at most {MAX_LINE} bytes")));
    }
    let (line, rest) = text.split_at(end);
    let rest = rest.get(1..).unwrap_or_default();
    // Of an array serde would take the elements for the fields, in their order.
    if !line.trim_ascii_start().starts_with(b"{") {
        return Err(bad("each operation is a JSON object on a line of its own"));
    }
    let line: Line = serde_json::from_slice(line).map_err(|error| bad(error.to_string()))?;
    match line.op {
        Name::Set => {
            let length = line.length.ok_or_else(|| bad("length is missing"))?;
            let (value, rest) = rest
                .split_at_checked(length)
                .ok_or_else(|| bad("the value is cut off"))?;
            let rest = rest.strip_prefix(b"\r").unwrap_or(rest);
            let rest = rest
                .strip_prefix(b"\n")
                .ok_or_else(|| bad("no line end follows the value, which is not as long as length says"))?;
            Ok((set(line, value)?, rest))
        }
        _ => Ok((bare(line)?, rest)),
    }
}

fn set(line: Line, value: &[u8]) -> Result<Operation<'_>, Bad> {
    let fresh = line.max_age.ok_or_else(|| bad("max_age is missing"))?;
    let lifetime = living(number("max_age", fresh)?, number("stale", line.stale)?)?;
    check_tags(&line.tags.iter().map(String::as_bytes).collect::<Vec<_>>())?;
    if !is_kind(line.kind.as_bytes()) {
        return Err(bad("type is no media type"));
    }
    Ok(Operation::Set {
        key: key(line.key)?,
        value,
        kind: line.kind,
        life: lifetime,
        tags: line.tags,
        lease: line.lease,
    })
}

/// An operation that no bytes follow.
fn bare(line: Line) -> Result<Operation<'static>, Bad> {
    let soft = line.soft;
    match (line.op, line.key, line.tag, line.prefix) {
        (Name::Get, named, None, None) => Ok(Operation::Get {
            key: key(named)?,
            max_stale: line.max_stale,
            with_tags: line.with_tags,
        }),
        (Name::Delete, named, None, None) => Ok(Operation::Delete { key: key(named)? }),
        (Name::Invalidate, Some(key), None, None) => {
            let target = Target::Key(checked_key(key.into_bytes().into())?);
            Ok(Operation::Invalidate { target, soft })
        }
        (Name::Invalidate, None, Some(tag), None) => {
            let target = Target::Tag(checked_tag(tag.into_bytes().into())?);
            Ok(Operation::Invalidate { target, soft })
        }
        (Name::Invalidate, None, None, Some(prefix)) => {
            let target = Target::Prefix(prefix.into_bytes().into());
            Ok(Operation::Invalidate { target, soft })
        }
        (Name::Invalidate, ..) => Err(bad("say what: one of key, tag and prefix")),
        _ => Err(bad("tag and prefix belong to invalidate")),
    }
}

fn key(named: Option<String>) -> Result<String, Bad> {
    let named = named.ok_or_else(|| bad("key is missing"))?;
    checked_key(Cow::Borrowed(named.as_bytes()))?;
    Ok(named)
}

/// Whether a value's media type may stand in a field.
pub(super) fn is_kind(kind: &[u8]) -> bool {
    kind.len() <= MAX_TYPE && kind.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Does what can be done at once, and appends the answer to `out`; the value, if there is one, belongs behind it.
///
/// An invalidation by prefix takes its time: it is the caller's.
pub(super) fn perform(store: &Store, operation: &Operation<'_>, out: &mut BytesMut) -> Option<Bytes> {
    match operation {
        Operation::Get {
            key,
            max_stale,
            with_tags,
        } => {
            let hit = store.get(key.as_bytes());
            match hit.filter(|hit| *max_stale || !hit.fresh_for.is_zero()) {
                Some(hit) => {
                    let tags = with_tags.then(|| store.tags(key.as_bytes(), hit.version));
                    return Some(told(key, hit, tags.flatten().as_deref(), out));
                }
                None => status(404, key, out),
            }
        }
        Operation::Set {
            key,
            value,
            kind,
            life,
            tags,
            lease,
        } => {
            let tags: Vec<&[u8]> = tags.iter().map(String::as_bytes).collect();
            let stored = store.set(New {
                key: key.as_bytes(),
                value,
                meta: kind.as_bytes(),
                life: *life,
                tags: &tags,
                lease: *lease,
                ..New::default()
            });
            let code = match stored {
                Stored::Yes(_) => 204,
                Stored::LeaseLost => 409,
                Stored::TooLarge => 413,
            };
            status(code, key, out);
        }
        Operation::Delete { key } => {
            let code = if store.remove(key.as_bytes(), false) { 204 } else { 404 };
            status(code, key, out);
        }
        Operation::Invalidate { target, soft } => {
            let count = match target {
                Target::Key(key) => u64::from(store.remove(key, *soft)),
                Target::Tag(tag) => store.invalidate_tag(tag, *soft),
                Target::Prefix(prefix) => store.invalidate_prefix(prefix, *soft),
            };
            invalidated(count, out);
        }
    }
    None
}

/// What a value is, before its bytes.
fn told(key: &str, hit: Hit, tags: Option<&[Box<[u8]>]>, out: &mut BytesMut) -> Bytes {
    let mut line = serde_json::json!({
        "status": 200,
        "key": key,
        "length": hit.value.len(),
        "age": hit.age.as_secs_f64(),
        "max_age": hit.fresh_for.as_secs_f64(),
        "stale": hit.stale_for.as_secs_f64(),
        "version": format!("{:016x}", hit.version),
    });
    if !hit.meta.is_empty() {
        line["type"] = String::from_utf8_lossy(&hit.meta).into();
    }
    if let Some(tags) = tags {
        line["tags"] = tags.iter().map(|tag| String::from_utf8_lossy(tag)).collect();
    }
    out.put_slice(format!("{line}\n").as_bytes());
    hit.value
}

fn status(code: u16, key: &str, out: &mut BytesMut) {
    let line = serde_json::json!({"status": code, "key": key});
    out.put_slice(format!("{line}\n").as_bytes());
}

pub(super) fn invalidated(count: u64, out: &mut BytesMut) {
    out.put_slice(format!("{{\"status\":200,\"invalidated\":{count}}}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_body_is_lines_with_values_between_them() {
        let body = b"{\"op\":\"get\",\"key\":\"a\"}\n\
            {\"op\":\"set\",\"key\":\"b\",\"length\":5,\"max_age\":60,\"stale\":1.5,\"tags\":[\"x\"],\"type\":\"text/plain\",\"lease\":7}\n\
            a\nb\nc\n\
            {\"op\":\"set\",\"key\":\"c\",\"length\":0,\"max_age\":1}\n\r\n\
            {\"op\":\"delete\",\"key\":\"\\u00fc\"}\n\
            {\"op\":\"invalidate\",\"prefix\":\"p\",\"soft\":true}";
        let operations = read(body).unwrap();
        assert_eq!(operations.len(), 5);
        let life = Lifetime {
            fresh: Duration::from_secs(60),
            stale: Duration::from_millis(1500),
        };
        let set = Operation::Set {
            key: "b".into(),
            value: b"a\nb\nc",
            kind: "text/plain".into(),
            life,
            tags: vec!["x".into()],
            lease: Some(7),
        };
        assert_eq!(operations[1], set);
        assert_eq!(operations[3], Operation::Delete { key: "\u{fc}".into() });
        let target = Target::Prefix(b"p".into());
        assert_eq!(operations[4], Operation::Invalidate { target, soft: true });
        assert_eq!(read(b""), Ok(Vec::new()));
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        for (body, reason) in [
            ("nonsense", "operation 1: "),
            ("\n", "operation 1: "),
            (
                "{\"op\":\"get\",\"key\":\"a\"}\n{\"op\":\"fetch\"}",
                "operation 2: unknown variant",
            ),
            ("{\"op\":\"get\"}", "key is missing"),
            ("{\"op\":\"get\",\"key\":\"\"}", "key is empty"),
            ("{\"op\":\"get\",\"key\":\"a\",\"tag\":\"b\"}", "belong to invalidate"),
            ("{\"op\":\"get\",\"key\":\"a\",\"ttl\":1}", "unknown field"),
            ("{\"op\":\"get\",\"key\":\"a\"} {}", "trailing characters"),
            ("{\"op\":\"set\",\"key\":\"a\",\"max_age\":1}\n", "length is missing"),
            ("{\"op\":\"set\",\"key\":\"a\",\"length\":1}\na\n", "max_age is missing"),
            (
                "{\"op\":\"set\",\"key\":\"a\",\"length\":9,\"max_age\":1}\na\n",
                "cut off",
            ),
            (
                "{\"op\":\"set\",\"key\":\"a\",\"length\":1,\"max_age\":1}\nab\n",
                "no line end",
            ),
            (
                "{\"op\":\"set\",\"key\":\"a\",\"length\":1,\"max_age\":1}\na",
                "no line end",
            ),
            (
                "{\"op\":\"set\",\"key\":\"a\",\"length\":1,\"max_age\":-1}\na\n",
                "from 0 on",
            ),
            (
                "{\"op\":\"set\",\"key\":\"a\",\"length\":1,\"max_age\":0}\na\n",
                "never be served",
            ),
            (
                "{\"op\":\"set\",\"key\":\"a\",\"length\":-1,\"max_age\":1}\na\n",
                "invalid value",
            ),
            (
                "{\"op\":\"set\",\"key\":\"a\",\"length\":1,\"max_age\":1,\"tags\":[\"\"]}\na\n",
                "a tag has",
            ),
            (
                "{\"op\":\"set\",\"key\":\"a\",\"length\":1,\"max_age\":1,\"type\":\"a\\nb\"}\na\n",
                "media type",
            ),
            (
                "{\"op\":\"invalidate\",\"tag\":\"a\",\"key\":\"b\"}",
                "one of key, tag and prefix",
            ),
            ("[\"get\",\"a\"]", "a JSON object"),
        ] {
            let (_, why) = read(body.as_bytes()).unwrap_err();
            assert!(why.contains(reason), "{body}: {why}");
        }
    }
}
