//! Any bytes of a client over the whole HTTP/1.1 connection: no panic, an end, and an answer that can only be read one
//! way. The first byte says in which portions they come.
#![no_main]

use bytes::{Buf, BytesMut};
use headrace_core::http::{
    framing::{Decoded, Decoder},
    head::{HeadLimits, ResponseBody, ResponseTo, parse_response},
};
use headrace_fuzz::{Protocol, converse};
use libfuzzer_sys::fuzz_target;

/// Reads one response; whether another may follow.
fn read(answer: &mut BytesMut) -> bool {
    let limits = HeadLimits::default();
    let head = parse_response(answer, &limits, ResponseTo::default(), |head| head.body);
    let Some((length, body)) = head.expect("what we write is well-formed") else {
        return false;
    };
    answer.advance(length);
    let mut decoder = match body {
        ResponseBody::None => Decoder::none(),
        ResponseBody::Length(length) => Decoder::length(length),
        ResponseBody::Chunked => Decoder::chunked(limits),
        ResponseBody::UntilClose => return false,
    };
    let decoded = decoder.decode(answer, &mut BytesMut::new());
    decoded.expect("what we write is well-formed") == Decoded::End
}

fuzz_target!(|input: &[u8]| {
    let Some((portion, said)) = input.split_first() else {
        return;
    };
    let mut answer = BytesMut::from(&converse(Protocol::Http1, said, usize::from(*portion).max(1))[..]);
    // To read on one would have to know which of the answers are to a HEAD.
    if said.windows(4).all(|at| at != b"HEAD") {
        while !answer.is_empty() && read(&mut answer) {}
    }
});
