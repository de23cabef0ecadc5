//! What holds for every body: however it is cut into chunks and however these arrive, it is read as it was written, and
//! malformed framing is found wherever the input is split.

use bytes::BytesMut;
use headrace_core::http::{
    fields::Fields,
    framing::{Decoded, Decoder, encode_chunk, encode_last_chunk},
    head::HeadLimits,
};
use proptest::prelude::*;

const LIMITS: HeadLimits = HeadLimits {
    line: 200,
    bytes: 1000,
    count: 10,
};

/// Body, trailers, and what was left of the input; `Err` with the body so far.
type Outcome = Result<(bool, Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>, Vec<u8>), Vec<u8>>;

/// Feeds `parts` one after the other.
fn decode<'p>(mut decoder: Decoder, parts: impl Iterator<Item = &'p [u8]>) -> Outcome {
    let (mut input, mut body) = (BytesMut::new(), Vec::new());
    for part in parts {
        input.extend_from_slice(part);
        let mut output = BytesMut::new();
        let outcome = decoder.decode(&mut input, &mut output);
        body.extend_from_slice(&output);
        match outcome {
            Err(_) => return Err(body),
            Ok(Decoded::Data) => assert!(!output.is_empty()),
            Ok(Decoded::More) => assert!(output.is_empty()),
            Ok(Decoded::End) => assert!(decoder.is_done()),
        }
    }
    let fields = decoder.trailers().into_iter().flat_map(Fields::iter);
    let trailers = fields
        .map(|field| (field.name.to_vec(), field.value.to_vec()))
        .collect();
    Ok((decoder.is_done(), body, trailers, input.to_vec()))
}

/// `input` cut at the places that `cuts` give.
fn split<'i>(input: &'i [u8], cuts: &[prop::sample::Index]) -> Vec<&'i [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    places.sort_unstable();
    places.push(input.len());
    let mut start = 0;
    let parts = places.into_iter().map(|end| {
        let part = &input[start..end];
        start = end;
        part
    });
    parts.collect()
}

fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..longest)
}

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..20)
}

fn trailers() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(("x-[a-z]{1,9}", "([!-~]([ -~]{0,20}[!-~])?)?"), 0..5)
}

fn encode(chunks: &[Vec<u8>], trailers: &[(String, String)]) -> BytesMut {
    let mut fields = Fields::new();
    for (name, value) in trailers {
        fields.push(name.as_bytes(), value.as_bytes());
    }
    let mut out = BytesMut::new();
    for chunk in chunks {
        encode_chunk(&mut out, chunk);
    }
    encode_last_chunk(&mut out, Some(&fields));
    out
}

/// Chunked framing with mistakes in it, some of the time.
fn doubtful() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => bytes(40).prop_map(|data| {
            let mut out = BytesMut::new();
            encode_chunk(&mut out, &data);
            out.to_vec()
        }),
        2 => "[0-9a-fA-F]{1,3}(;[a-z]{1,3}(=[a-z\"\\\\]{1,4})?)?\r?\n".prop_map(String::into_bytes),
        1 => "0\r\n([a-z]{1,3}: [a-z]{0,5}\r?\n)?\r\n".prop_map(String::into_bytes),
        1 => "[;: \r\n\t]{1,4}".prop_map(String::into_bytes),
        1 => bytes(5),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_chunked_body_is_read_as_it_was_written(
        chunks in prop::collection::vec(bytes(300), 0..6), trailers in trailers(), rest in bytes(20), cuts in cuts(),
    ) {
        let encoded = [encode(&chunks, &trailers).to_vec(), rest.clone()].concat();
        let trailers = trailers.into_iter().map(|(name, value)| (name.into_bytes(), value.into_bytes())).collect();
        let outcome = decode(Decoder::chunked(LIMITS), split(&encoded, &cuts).into_iter());
        prop_assert_eq!(outcome, Ok((true, chunks.concat(), trailers, rest)));
    }

    #[test]
    fn any_split_of_chunks_gives_the_same(input in doubtful(), cuts in cuts()) {
        let whole = decode(Decoder::chunked(LIMITS), std::iter::once(&input[..]));
        prop_assert_eq!(&decode(Decoder::chunked(LIMITS), split(&input, &cuts).into_iter()), &whole);
        prop_assert_eq!(&decode(Decoder::chunked(LIMITS), input.chunks(1)), &whole, "byte by byte");
    }

    #[test]
    fn a_length_takes_exactly_its_bytes(body in bytes(500), rest in bytes(20), cuts in cuts()) {
        let input = [body.clone(), rest.clone()].concat();
        let outcome = decode(Decoder::length(body.len() as u64), split(&input, &cuts).into_iter());
        prop_assert_eq!(outcome, Ok((true, body, Vec::new(), rest)));
    }

    #[test]
    fn until_close_takes_everything(body in bytes(500), cuts in cuts()) {
        let outcome = decode(Decoder::until_close(), split(&body, &cuts).into_iter());
        prop_assert_eq!(outcome, Ok((false, body, Vec::new(), Vec::new())));
    }
}
