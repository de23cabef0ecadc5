//! Any bytes as a whole request: what is accepted, written anew as a gateway does and read again says the same, ends at
//! the same place and leaves nothing over.
#![no_main]

use bytes::BytesMut;
use headrace_core::http::{
    framing::{Decoded, Decoder, encode_chunk, encode_last_chunk},
    head::{BodyKind, HeadLimits, Request, parse_request, write_decimal, write_field},
};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, PartialEq)]
struct Said {
    head: BytesMut,
    body: BytesMut,
    trailers: BytesMut,
}

/// The first request of `input` and what follows it; `None` unless it is whole and well-formed.
fn read(input: &[u8]) -> Option<(Request, Said, BytesMut)> {
    let mut request = Request::new();
    let length = parse_request(input, &HeadLimits::default(), &mut request).ok()??;
    let mut decoder = match request.body {
        BodyKind::None => Decoder::none(),
        BodyKind::Length(length) => Decoder::length(length),
        BodyKind::Chunked => Decoder::chunked(HeadLimits::default()),
    };
    let (mut rest, mut body) = (BytesMut::from(&input[length..]), BytesMut::new());
    if decoder.decode(&mut rest, &mut body) != Ok(Decoded::End) {
        return None;
    }
    let (mut head, mut trailers) = (BytesMut::new(), BytesMut::new());
    request.write_start(&mut head);
    write_field(&mut head, b"Host", request.authority());
    for field in request.fields().iter() {
        field.write(&mut head);
    }
    encode_last_chunk(&mut trailers, decoder.trailers());
    Some((request, Said { head, body, trailers }, rest))
}

fn write(request: &Request, said: &Said) -> BytesMut {
    let mut out = said.head.clone();
    match request.body {
        BodyKind::Chunked => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            encode_chunk(&mut out, &said.body);
            out.extend_from_slice(&said.trailers);
        }
        BodyKind::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            write_decimal(&mut out, length);
            out.extend_from_slice(b"\r\n\r\n");
            out.extend_from_slice(&said.body);
        }
        BodyKind::None => out.extend_from_slice(b"\r\n"),
    }
    out
}

fuzz_target!(|input: &[u8]| {
    let Some((request, said, _)) = read(input) else { return };
    // Only HTTP/1.0 may name no host, and CONNECT is not passed on.
    if request.authority().is_empty() || request.is_connect() {
        return;
    }
    let anew = write(&request, &said);
    let (_, again, rest) = read(&anew).expect("what we write is well-formed");
    assert_eq!(again, said);
    assert!(rest.is_empty(), "what we write has one meaning");
});
