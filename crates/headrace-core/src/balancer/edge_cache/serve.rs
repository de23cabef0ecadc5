//! An answer from the store: the whole response, a part of it, or that the client has it already.

use std::{future::poll_fn, ops::Range, task::ready};

use bytes::{Bytes, BytesMut};

use super::kept::Head;
use crate::{
    cache::Hit,
    edge::{
        groups,
        ranges::{self, Wanted},
        status::CacheStatus,
        validation,
    },
    http::{
        exchange::{Exchange, ReplyBody},
        fields::{Field, Known},
        reply::reason,
    },
};

/// What an answer consists of.
struct Answer {
    status: u16,
    /// In place of the stored field.
    content_type: Option<String>,
    content_range: Option<String>,
    length: Option<u64>,
    body: Bytes,
}

/// Answers with what is stored; how many bytes of body that were. Nothing was begun before.
pub(super) async fn serve(
    exchange: &mut impl Exchange,
    head: &Head<'_>,
    hit: &Hit,
    told: CacheStatus,
    name: &str,
    random: u64,
) -> u64 {
    let answer = choose(exchange, head, hit, random);
    start(exchange, head, &answer, head.age(hit), &told.member(name));
    let mut body = answer.body;
    let length = body.len() as u64;
    // A client that is gone needs no answer.
    let _ = poll_fn(|cx| {
        if !body.is_empty() {
            ready!(exchange.poll_write_shared(cx, &mut body))?;
        }
        exchange.poll_finish(cx, None)
    })
    .await;
    length
}

fn start(exchange: &mut impl Exchange, head: &Head<'_>, answer: &Answer, age: u32, member: &str) {
    let mut digits = itoa::Buffer::new();
    let field = |known, name, value| Field::classified(known, name, value);
    let own = [
        field(Known::Age, b"Age", digits.format(age).as_bytes()),
        field(Known::Other, b"Cache-Status", member.as_bytes()),
    ];
    let kind = answer.content_type.as_ref();
    let kind = kind.map(|kind| field(Known::ContentType, b"Content-Type", kind.as_bytes()));
    let range = answer.content_range.as_ref();
    let range = range.map(|range| field(Known::ContentRange, b"Content-Range", range.as_bytes()));
    let own = own.into_iter().chain(kind).chain(range);
    let framing = match (exchange.request().is_head(), answer.length) {
        (false, Some(length)) => ReplyBody::Length(length),
        (_, length) => ReplyBody::Empty(length),
    };
    let phrase = reason(answer.status).as_bytes();
    let bodyless = matches!(answer.status, 304 | 416);
    if head.is_plain && !bodyless && kind.is_none() {
        return exchange.start_ready(answer.status, phrase, head.lines, own, framing);
    }
    let left_out = |field: &Field<'_>| {
        groups::is_spoken_to_us(field.name)
            || (bodyless && !validation::goes_with_304(field))
            || (kind.is_some() && field.known == Known::ContentType)
    };
    let fields = head.fields().filter(|field| !left_out(field)).chain(own);
    exchange.start(answer.status, phrase, fields, framing);
}

fn choose(exchange: &impl Exchange, head: &Head<'_>, hit: &Hit, random: u64) -> Answer {
    let request = exchange.request();
    let fields = request.fields();
    let whole = Answer {
        status: head.status,
        content_type: None,
        content_range: None,
        length: (head.status != 204).then_some(hit.value.len() as u64),
        body: if request.is_head() {
            Bytes::new()
        } else {
            hit.value.clone()
        },
    };
    // Conditions and ranges speak of a 200 (RFC 9110, 13.2.1 and 14.2).
    if head.status != 200
        || fields
            .iter()
            .all(|field| !matches!(field.known, Known::Condition | Known::Range))
    {
        return whole;
    }
    if validation::has_already(fields, |name| head.get(name), head.received) {
        return Answer {
            status: 304,
            length: None,
            body: Bytes::new(),
            ..whole
        };
    }
    let length = hit.value.len() as u64;
    match ranges::wanted(fields, |name| head.get(name), length) {
        _ if request.is_head() => whole,
        Wanted::Whole => whole,
        Wanted::Unsatisfiable => Answer {
            status: 416,
            content_range: Some(format!("bytes */{length}")),
            length: Some(0),
            body: Bytes::new(),
            ..whole
        },
        Wanted::Parts(parts) => partial(&parts, head, &hit.value, random),
    }
}

fn partial(parts: &[Range<u64>], head: &Head<'_>, value: &Bytes, random: u64) -> Answer {
    let length = value.len() as u64;
    let (body, content_range, content_type) = match parts {
        [part] => (slice(value, part), Some(ranges::content_range(part, length)), None),
        parts => {
            let boundary = format!("{random:016x}");
            let (before, after) = ranges::delimiters(parts, length, head.get(b"content-type"), &boundary);
            let mut body = BytesMut::new();
            for (delimiter, part) in before.iter().zip(parts) {
                body.extend_from_slice(delimiter);
                body.extend_from_slice(&slice(value, part));
            }
            body.extend_from_slice(&after);
            let kind = format!("multipart/byteranges; boundary={boundary}");
            (body.freeze(), None, Some(kind))
        }
    };
    Answer {
        status: 206,
        length: Some(body.len() as u64),
        content_type,
        content_range,
        body,
    }
}

/// Parts lie within the whole: `ranges` has made them of its length.
fn slice(value: &Bytes, part: &Range<u64>) -> Bytes {
    let end = (part.end as usize).min(value.len());
    value.slice((part.start as usize).min(end)..end)
}
