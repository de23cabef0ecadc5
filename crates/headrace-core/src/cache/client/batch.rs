//! Several calls as one: lines of JSON and the bytes they announce, in both directions.

use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::{Failure, Life};

#[derive(Serialize)]
#[serde(rename_all = "lowercase", tag = "op")]
enum Line<'a> {
    Get {
        key: &'a str,
        max_stale: bool,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        with_tags: bool,
    },
    Set {
        key: &'a str,
        length: usize,
        max_age: f64,
        stale: f64,
        tags: &'a [&'a str],
    },
}

/// What became of one call of a batch. Times are seconds.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct One {
    pub status: u16,
    length: Option<usize>,
    pub age: f64,
    pub max_age: f64,
    pub stale: f64,
    version: Option<Box<str>>,
    /// Where they were asked for and told.
    pub tags: Option<Vec<String>>,
    #[serde(skip)]
    pub value: Bytes,
}

impl One {
    /// Of the value; 0 where none was told.
    pub fn version(&self) -> u64 {
        u64::from_str_radix(self.version.as_deref().unwrap_or_default(), 16).unwrap_or(0)
    }
}

/// The body of a batch that asks for these keys, and perhaps for the values' tags.
pub fn gets(keys: &[&str], with_tags: bool) -> Vec<u8> {
    let mut body = Vec::with_capacity(keys.len() * 48);
    for key in keys {
        let line = Line::Get {
            key,
            max_stale: true,
            with_tags,
        };
        write(&mut body, &line);
    }
    body
}

/// The body of a batch that keeps these values.
pub fn sets(values: &[(&str, &[u8])], life: Life, tags: &[&str]) -> Vec<u8> {
    let bytes: usize = values.iter().map(|(key, value)| key.len() + value.len() + 96).sum();
    let mut body = Vec::with_capacity(bytes);
    let (max_age, stale) = (life.fresh.as_secs_f64(), life.stale.as_secs_f64());
    for (key, value) in values {
        let length = value.len();
        write(
            &mut body,
            &Line::Set {
                key,
                length,
                max_age,
                stale,
                tags,
            },
        );
        body.extend_from_slice(value);
        body.push(b'\n');
    }
    body
}

fn write(body: &mut Vec<u8>, line: &Line<'_>) {
    // Writing plain data into memory has no way to fail.
    let _ = serde_json::to_writer(&mut *body, line);
    body.push(b'\n');
}

/// The replies in a batch's answer, which must be `count`.
pub fn replies(body: BytesMut, count: usize) -> Result<Vec<One>, Failure> {
    let mut rest = body.freeze();
    let found: Option<Vec<_>> = (0..count).map(|_| reply(&mut rest)).collect();
    match found {
        Some(found) if rest.is_empty() => Ok(found),
        _ => Err(Failure::Away("its answer to a batch is malformed".to_owned())),
    }
}

fn reply(rest: &mut Bytes) -> Option<One> {
    let end = memchr::memchr(b'\n', rest)?;
    let mut one: One = serde_json::from_slice(&rest.split_to(end)).ok()?;
    rest.advance(1);
    if let Some(length) = one.length {
        if rest.len() <= length || rest[length] != b'\n' {
            return None;
        }
        one.value = rest.split_to(length);
        rest.advance(1);
    }
    Some(one)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn calls_are_lines_and_bytes() {
        assert_eq!(
            gets(&["a"], true),
            b"{\"op\":\"get\",\"key\":\"a\",\"max_stale\":true,\"with_tags\":true}\n"
        );
        assert_eq!(gets(&["a", "\"\n"], false), b"{\"op\":\"get\",\"key\":\"a\",\"max_stale\":true}\n{\"op\":\"get\",\"key\":\"\\\"\\n\",\"max_stale\":true}\n");
        let life = Life {
            fresh: Duration::from_secs(60),
            stale: Duration::ZERO,
        };
        let expected =
            b"{\"op\":\"set\",\"key\":\"b\",\"length\":5,\"max_age\":60.0,\"stale\":0.0,\"tags\":[\"x\"]}\nwater\n";
        assert_eq!(sets(&[("b", b"water")], life, &["x"]), expected);
    }

    #[test]
    fn replies_come_in_order() {
        let body = "{\"status\":200,\"key\":\"a\",\"length\":3,\"age\":1,\"max_age\":9}\na\nb\n{\"status\":404,\"key\":\"b\"}\n";
        let found = replies(BytesMut::from(body), 2).unwrap();
        assert_eq!(
            (found[0].status, found[0].age, found[0].max_age, &found[0].value[..]),
            (200, 1.0, 9.0, &b"a\nb"[..])
        );
        assert_eq!((found[1].status, &found[1].value[..]), (404, &b""[..]));
    }

    #[test]
    fn half_an_answer_is_none() {
        for body in [
            "",
            "{\"status\":404}",
            "{\"status\":200,\"length\":9}\nab\n",
            "{\"status\":404}\n{\"status\":404}\n",
            "x\n",
        ] {
            assert!(replies(BytesMut::from(body), 1).is_err(), "{body:?}");
        }
    }
}
