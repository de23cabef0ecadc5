//! Fields that come after a chunked body: a head without a start line.

use httparse::{EMPTY_HEADER, Status};

use super::{Fault, HeadLimits, Lines, MOST_FIELDS, check_unfinished, places};
use crate::http::fields::{Fields, classify};

/// Reads the trailers at the start of `input` into `out`, which is empty; those that must not come so late are dropped
/// (RFC 9110, 6.5.1). `Ok(None)` means that more bytes are needed, else so many bytes were trailers.
pub(in crate::http) fn parse_trailers(
    input: &[u8],
    limits: &HeadLimits,
    out: &mut Fields,
) -> Result<Option<usize>, &'static str> {
    read_trailers(input, limits, out).map_err(|fault| match fault {
        Fault::Malformed(reason) | Fault::TooLarge(reason) => reason,
        Fault::StartLineTooLong => "a trailer line is too long",
    })
}

fn read_trailers(input: &[u8], limits: &HeadLimits, out: &mut Fields) -> Result<Option<usize>, Fault> {
    let mut slots = [EMPTY_HEADER; MOST_FIELDS];
    let slots = slots.get_mut(..limits.count.min(MOST_FIELDS)).unwrap_or_default();
    let Status::Complete((length, headers)) = httparse::parse_headers(input, slots)? else {
        check_unfinished(input, limits)?;
        return Ok(None);
    };
    let text = input.get(..length).unwrap_or_default();
    let mut lines = Lines::new(text, limits);
    out.append(text);
    for header in headers {
        let (name, value) = places(header, text);
        if name.start > 0 {
            lines.starts(name.start as usize)?;
        }
        let known = classify(header.name.as_bytes());
        if known.may_trail() {
            out.adopt(text, known, name, value);
        }
    }
    lines.end(length)?;
    Ok(Some(length))
}
