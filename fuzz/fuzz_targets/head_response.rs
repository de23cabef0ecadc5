//! Any bytes as a response head: no panic, and what is accepted is clean.
#![no_main]

use headrace_core::http::{
    fields::{is_token, is_value},
    head::{HeadLimits, ResponseBody, ResponseTo, parse_response},
};
use libfuzzer_sys::fuzz_target;

const LIMITS: HeadLimits = HeadLimits {
    line: 256,
    bytes: 1024,
    count: 16,
};

fuzz_target!(|input: &[u8]| {
    for (head, upgrade) in [(false, false), (true, false), (false, true)] {
        let to = ResponseTo { head, upgrade };
        let checked = parse_response(input, &LIMITS, to, |response| {
            assert!((100..600).contains(&response.status) && is_value(response.reason));
            assert!(!head || response.body == ResponseBody::None);
            assert!(response.body != ResponseBody::UntilClose || !response.keep_alive);
            assert_eq!(response.upgrade.is_some(), response.status == 101);
            for field in response.fields() {
                assert!(is_token(field.name) && is_value(field.value) && !field.known.is_hop_by_hop());
            }
        });
        if let Ok(Some((length, ()))) = checked {
            assert!(input[..length].ends_with(b"\r\n\r\n"));
        }
    }
});
