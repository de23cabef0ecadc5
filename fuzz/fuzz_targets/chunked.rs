//! Any bytes as a chunked body: no panic, and the same result however they arrive. The first byte says in which portions.
#![no_main]

use bytes::BytesMut;
use headrace_core::http::{
    fields::Fields,
    framing::{Decoded, Decoder},
    head::HeadLimits,
};
use libfuzzer_sys::fuzz_target;

const LIMITS: HeadLimits = HeadLimits {
    line: 64,
    bytes: 256,
    count: 4,
};

#[derive(Debug, PartialEq)]
struct Outcome {
    body: Vec<u8>,
    ended: Option<(Vec<u8>, usize)>,
    refused: bool,
}

fn decode(input: &[u8], portion: usize) -> Outcome {
    let mut decoder = Decoder::chunked(LIMITS);
    let (mut waiting, mut body, mut refused) = (BytesMut::new(), BytesMut::new(), false);
    for part in input.chunks(portion) {
        waiting.extend_from_slice(part);
        match decoder.decode(&mut waiting, &mut body) {
            Ok(Decoded::Data | Decoded::More) => assert!(waiting.len() <= 1024, "what waits is bounded"),
            Ok(Decoded::End) => {}
            Err(_) => {
                refused = true;
                break;
            }
        }
    }
    let ended = decoder.is_done().then(|| (trailers(&decoder), waiting.len()));
    Outcome {
        body: body.to_vec(),
        ended,
        refused,
    }
}

fn trailers(decoder: &Decoder) -> Vec<u8> {
    let mut lines = BytesMut::new();
    for field in decoder.trailers().into_iter().flat_map(Fields::iter) {
        assert!(field.known.may_trail());
        field.write(&mut lines);
    }
    lines.to_vec()
}

fuzz_target!(|input: &[u8]| {
    let Some((portion, input)) = input.split_first() else {
        return;
    };
    assert_eq!(
        decode(input, usize::from(*portion).max(1)),
        decode(input, input.len().max(1))
    );
});
