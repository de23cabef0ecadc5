//! Any bytes as a request head: no panic, and what is accepted is clean and keeps within the limits.
#![no_main]

use headrace_core::http::{
    fields::{is_token, is_value},
    head::{HeadLimits, Request, parse_request},
};
use libfuzzer_sys::fuzz_target;

const LIMITS: HeadLimits = HeadLimits {
    line: 256,
    bytes: 1024,
    count: 16,
};

fuzz_target!(|input: &[u8]| {
    let mut request = Request::new();
    let Ok(Some(length)) = parse_request(input, &LIMITS, &mut request) else {
        return;
    };
    let head = &input[..length];
    assert!(head.ends_with(b"\r\n\r\n") && request.fields().len() <= LIMITS.count);
    assert!(
        head.iter()
            .zip(&head[1..])
            .all(|pair| (*pair.0 == b'\r') == (*pair.1 == b'\n')),
        "only CRLF ends lines"
    );
    assert!(is_token(request.method()) && !request.target().is_empty());
    for text in [request.target(), request.path(), request.authority()] {
        assert!(text.iter().all(u8::is_ascii_graphic));
    }
    for field in request.fields().iter() {
        assert!(is_token(field.name) && is_value(field.value) && !field.known.is_hop_by_hop());
    }
    for part in 0..length {
        let earlier = parse_request(&input[..part], &LIMITS, &mut Request::new());
        assert_eq!(earlier, Ok(None), "a part of an acceptable head is waited for");
    }
});
