//! What a cache server answers, read as it comes: any split of the bytes gives the same.

use std::borrow::Cow;

use bytes::{Buf, BytesMut};

use super::Failure;
use crate::{
    http::{
        fields::{Known, elements},
        framing::{Decoded, Decoder},
        head::{HeadLimits, ResponseBody, ResponseHead, ResponseTo, parse_response},
    },
    service::decode,
};

/// No value is larger, so a server that sends more has lost its way.
const MOST: usize = 64 << 20;

/// An answer as facts. Times are seconds and 0 where nothing was said.
#[derive(Debug, Default, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub age: f64,
    /// How long it is fresh from now on.
    pub max_age: f64,
    /// How long it may be used after that while it is renewed.
    pub stale: f64,
    /// Of the value: its `ETag`.
    pub version: u64,
    pub lease: Option<Box<str>>,
    /// Of the value, where they were asked for and told.
    pub tags: Option<Vec<String>>,
    pub body: BytesMut,
    /// Whether the connection can carry another call.
    pub(super) keep: bool,
}

impl Answer {
    /// How many values an invalidation met, as its body says.
    pub fn invalidated(&self) -> u64 {
        let said: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        said["invalidated"].as_u64().unwrap_or(0)
    }

    /// The right to compute the value, where nobody else has it.
    pub fn granted(&self) -> Option<&str> {
        self.lease.as_deref().filter(|lease| *lease != "held")
    }
}

/// An answer on its way.
#[derive(Debug, Default)]
pub(super) struct Reading {
    begun: Option<(Answer, Decoder)>,
}

impl Reading {
    /// The answer, once `input` has brought all of it; what follows stays in `input`.
    pub(super) fn feed(&mut self, input: &mut BytesMut) -> Result<Option<Answer>, Failure> {
        if self.begun.is_none() && !self.head(input)? {
            return Ok(None);
        }
        let Some((answer, decoder)) = &mut self.begun else {
            return Ok(None);
        };
        let step = decoder.decode(input, &mut answer.body);
        let step = step.map_err(|error| Failure::Away(error.message().to_owned()))?;
        if answer.body.len() > MOST {
            return Err(Failure::Away("the answer is too large".to_owned()));
        }
        Ok(match step {
            Decoded::End => self.begun.take().map(|(answer, _)| answer),
            _ => None,
        })
    }

    /// Whether the final head is read; interim ones are passed over.
    fn head(&mut self, input: &mut BytesMut) -> Result<bool, Failure> {
        let limits = HeadLimits::default();
        loop {
            let read = parse_response(input, &limits, ResponseTo::default(), |head| {
                (!head.is_interim()).then(|| (facts(head), decoder(head.body, limits)))
            });
            match read.map_err(|bad| Failure::Away(format!("it answers what is no HTTP: {}", bad.0)))? {
                None => return Ok(false),
                Some((length, found)) => {
                    input.advance(length);
                    if found.is_some() {
                        self.begun = found;
                        return Ok(true);
                    }
                }
            }
        }
    }
}

fn decoder(body: ResponseBody, limits: HeadLimits) -> Decoder {
    match body {
        ResponseBody::None => Decoder::none(),
        ResponseBody::Length(length) => Decoder::length(length),
        ResponseBody::Chunked => Decoder::chunked(limits),
        // It never ends for us: there is no telling a whole value from a part of one.
        ResponseBody::UntilClose => Decoder::until_close(),
    }
}

fn facts(head: &ResponseHead<'_>) -> Answer {
    let mut answer = Answer {
        status: head.status,
        keep: head.keep_alive,
        ..Answer::default()
    };
    for (known, name, value) in head.values() {
        match known {
            Known::Age => answer.age = number(value),
            Known::CacheControl => directives(value, &mut answer),
            Known::Other if name.eq_ignore_ascii_case(b"etag") => answer.version = version(value),
            Known::Other if name.eq_ignore_ascii_case(b"lease") => {
                answer.lease = std::str::from_utf8(value).ok().map(Into::into);
            }
            Known::Other if name.eq_ignore_ascii_case(b"cache-tags") => {
                answer.tags = Some(elements(value).map(decoded).collect());
            }
            _ => {}
        }
    }
    answer
}

fn directives(value: &[u8], answer: &mut Answer) {
    for element in elements(value) {
        if let Some(seconds) = element.strip_prefix(b"max-age=") {
            answer.max_age = number(seconds);
        } else if let Some(seconds) = element.strip_prefix(b"stale-while-revalidate=") {
            answer.stale = number(seconds);
        }
    }
}

/// A tag without its percent-encoding. No invalidation in a program names one that is no text.
fn decoded(tag: &[u8]) -> String {
    let bytes = decode(tag).unwrap_or(Cow::Borrowed(tag));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Seconds; 0 for what is no number.
fn number(text: &[u8]) -> f64 {
    let text = text.trim_ascii();
    // Nearly all are whole, and short enough to be exact, which is quicker to read.
    if text.len() < 16 && text.iter().all(u8::is_ascii_digit) {
        let digits = text.iter().map(|digit| u64::from(digit - b'0'));
        return digits.fold(0, |number, digit| number * 10 + digit) as f64;
    }
    let number: Option<f64> = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number
        .filter(|number| number.is_finite() && *number > 0.0)
        .unwrap_or(0.0)
}

/// `"VERSIONHEX"`; 0 for what is none.
fn version(etag: &[u8]) -> u64 {
    let tag = etag.strip_prefix(b"W/").unwrap_or(etag);
    let Some(digits) = tag.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\"")) else {
        return 0;
    };
    let digits = digits.iter().map(|digit| char::from(*digit).to_digit(16));
    let mut digits = digits.map(|digit| digit.map(u64::from));
    let number = digits.try_fold(0_u64, |number, digit| Some(number.checked_mul(16)? | digit?));
    number.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIT: &[u8] = b"HTTP/1.1 200 OK\r\nAge: 3\r\nCache-Control: max-age=7, stale-while-revalidate=60\r\n\
        ETag: \"1f\"\r\nContent-Length: 4\r\n\r\nmillHTTP";

    #[test]
    fn an_answer_is_the_same_however_it_arrives() {
        for cut in 0..HIT.len() - 4 {
            let mut reading = Reading::default();
            let mut input = BytesMut::from(&HIT[..cut]);
            assert_eq!(reading.feed(&mut input).unwrap(), None);
            input.extend_from_slice(&HIT[cut..]);
            let answer = reading.feed(&mut input).unwrap().unwrap();
            assert_eq!(
                (answer.status, answer.age, answer.max_age, answer.stale),
                (200, 3.0, 7.0, 60.0)
            );
            assert_eq!(
                (answer.version, &answer.body[..], answer.keep),
                (31, &b"mill"[..], true)
            );
            assert_eq!(&input[..], b"HTTP");
        }
    }

    #[test]
    fn interim_heads_are_passed_over_and_leases_kept() {
        let mut input = BytesMut::from(
            &b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\nLease: 9a\r\nContent-Length: 0\r\n\r\n"[..],
        );
        let answer = Reading::default().feed(&mut input).unwrap().unwrap();
        assert_eq!((answer.status, answer.lease.as_deref()), (404, Some("9a")));
    }

    #[test]
    fn times_and_versions_are_what_they_say_or_nothing() {
        for (text, seconds) in [
            ("0", 0.0),
            ("42", 42.0),
            ("0.25", 0.25),
            (" 7 ", 7.0),
            ("9007199254740993", 9_007_199_254_740_992.0),
            ("", 0.0),
            ("-1", 0.0),
            ("1x", 0.0),
            ("inf", 0.0),
        ] {
            assert_eq!((text, number(text.as_bytes())), (text, seconds));
        }
        for (etag, expected) in [
            ("\"00000000000000Af\"", 175),
            ("W/\"1f\"", 31),
            ("\"ffffffffffffffff\"", u64::MAX),
            ("\"10000000000000000\"", 0),
            ("\"x\"", 0),
            ("\"", 0),
            ("1f", 0),
        ] {
            assert_eq!(version(etag.as_bytes()), expected, "{etag}");
        }
    }

    #[test]
    fn tags_come_back_as_they_were_or_are_not_known() {
        let tags = |field: &str| {
            let head = format!("HTTP/1.1 200 OK\r\n{field}Content-Length: 0\r\n\r\n");
            let mut input = BytesMut::from(head.as_bytes());
            Reading::default().feed(&mut input).unwrap().unwrap().tags
        };
        assert_eq!(tags(""), None);
        assert_eq!(tags("Cache-Tags: \r\n"), Some(vec![]));
        let expected = ["posts", "a, b", "50%", "\u{fc}"].map(str::to_owned);
        let field = "Cache-Tags: posts, a%2C%20b, 50%25, %C3%BC\r\n";
        assert_eq!(tags(field), Some(expected.into()));
    }

    #[test]
    fn garbage_is_an_absence() {
        for bytes in [
            &b"SMTP ready\r\n"[..],
            b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ] {
            let fed = Reading::default().feed(&mut BytesMut::from(bytes));
            assert!(matches!(fed, Err(Failure::Away(_))), "{bytes:?}");
        }
    }
}
