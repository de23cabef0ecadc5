//! Any bytes of a client behind its preface, over the whole HTTP/2 connection (frame meter, `h2`, streams): no panic, an
//! end, and nothing but frames for an answer. The first byte says in which portions they come.
#![no_main]

use headrace_fuzz::{Protocol, converse};
use libfuzzer_sys::fuzz_target;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What a frame may be long, because no setting of ours nor of the client's engine asks for more.
const FRAME: usize = 16 * 1024;

fuzz_target!(|input: &[u8]| {
    let Some((portion, frames)) = input.split_first() else {
        return;
    };
    let said = [PREFACE, frames].concat();
    let answer = converse(Protocol::Http2, &said, usize::from(*portion).max(1));
    let mut rest = &answer[..];
    while let Some(([high, middle, low, kind, ..], after)) = rest.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        assert!(length <= FRAME && *kind <= 9, "an odd frame: {kind}, {length} bytes");
        rest = after.get(length..).expect("a frame comes whole");
    }
    assert!(rest.is_empty(), "a frame's head comes whole");
});
