//! Any lines as the fields that the edge cache reads: structured fields that are understood are the same written anew, times
//! stay within their bounds, and the ranges of a request lie within the whole and apart from each other.
#![no_main]

use headrace_core::{
    edge::{
        directives::{LONGEST, RequestDirectives, ResponseDirectives},
        ranges::{Wanted, wanted},
        structured::{Item, dictionary, list},
    },
    http::fields::Fields,
};
use libfuzzer_sys::fuzz_target;

const LENGTHS: [u64; 4] = [0, 1, 1000, u64::MAX];
const MOST_RANGES: usize = 16;
/// RFC 9651, 3.3.1.
const LARGEST: i64 = 999_999_999_999_999;

fn write(item: &Item) -> String {
    match item {
        Item::Integer(number) => {
            assert!((-LARGEST..=LARGEST).contains(number));
            number.to_string()
        }
        Item::Text(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        Item::Token(token) => token.clone(),
        Item::Boolean(is) => format!("?{}", u8::from(*is)),
        Item::Other => ":AA==:".to_owned(),
    }
}

fn structured(lines: &[&[u8]]) {
    if let Some(members) = dictionary(lines.iter().copied()) {
        let told: Vec<_> = members
            .iter()
            .map(|(key, item)| format!("{key}={}", write(item)))
            .collect();
        assert_eq!(dictionary([told.join(", ").as_bytes()]), Some(members));
    }
    if let Some(members) = list(lines.iter().copied()) {
        let told: Vec<_> = members.iter().map(write).collect();
        assert_eq!(list([told.join(", ").as_bytes()]), Some(members));
    }
}

fn fields(names: &[&str], lines: &[&[u8]]) -> Fields {
    let mut fields = Fields::new();
    for (line, name) in lines.iter().zip(names.iter().cycle()) {
        fields.push(name.as_bytes(), line);
    }
    fields
}

fn directives(lines: &[&[u8]]) {
    let asked = RequestDirectives::of(&fields(&["Cache-Control", "Pragma"], lines));
    let told = ResponseDirectives::of(&fields(&["Cache-Control", "CDN-Cache-Control"], lines));
    let times = [
        asked.max_age,
        asked.min_fresh,
        asked.max_stale,
        told.max_age,
        told.s_maxage,
    ];
    assert!(times.iter().flatten().all(|seconds| *seconds <= LONGEST));
    assert!(told.withheld.iter().flatten().all(|byte| !byte.is_ascii_uppercase()));
}

fn ranges(line: &[u8]) {
    let request = fields(&["Range"], &[line]);
    for length in LENGTHS {
        if let Wanted::Parts(mut parts) = wanted(&request, |_| None, length) {
            assert!((1..=MOST_RANGES).contains(&parts.len()));
            parts.sort_by_key(|part| part.start);
            assert!(parts.iter().all(|part| part.start < part.end && part.end <= length));
            assert!(parts.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }
    }
}

fuzz_target!(|text: &[u8]| {
    let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
    structured(&lines);
    directives(&lines);
    lines.iter().copied().for_each(ranges);
});
