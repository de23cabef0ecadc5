//! A response, read whole.

use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};

use super::{Failure, Patience, connection::Connection};
use crate::http::{
    fields::Fields,
    framing::{Decoded, Decoder},
    head::{HeadLimits, ResponseBody, ResponseTo, parse_response},
};

/// What is read at once: answers are short, and what is asked of the allocator is cleared first.
const READ: usize = 4096;

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub fields: Fields,
    pub body: BytesMut,
}

impl Response {
    /// The first value of a field with this name, where it is text.
    pub fn field(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.fields.get(name.as_bytes())?).ok()
    }

    /// The pause that is asked for: seconds or a date (RFC 9110, 10.2.3).
    pub fn retry_after(&self) -> Option<Duration> {
        let asked = self.field("retry-after")?;
        let early = || httpdate::parse_http_date(asked).ok()?.elapsed().err();
        let seconds = asked.parse().ok().map(Duration::from_secs);
        seconds.or_else(|| early().map(|early| early.duration()))
    }
}

/// The final response and whether the connection can be kept; a failure, and whether a byte had come before it.
pub(super) fn read(
    connection: &mut Connection,
    head: bool,
    patience: &Patience,
) -> Result<(Response, bool), (Failure, bool)> {
    let mut reading = Reading {
        connection,
        input: BytesMut::new(),
        deadline: Instant::now() + patience.read,
        seen: false,
    };
    reading
        .response(head, patience.body)
        .map_err(|failure| (failure, reading.seen))
}

struct Reading<'a> {
    connection: &'a mut Connection,
    input: BytesMut,
    deadline: Instant,
    seen: bool,
}

impl Reading<'_> {
    fn response(&mut self, head: bool, most: usize) -> Result<(Response, bool), Failure> {
        let (mut response, decoder, keep) = self.head(head)?;
        self.body(decoder, &mut response.body, most)?;
        Ok((response, keep && self.input.is_empty()))
    }

    /// The head of the final response; interim ones are passed over.
    fn head(&mut self, head: bool) -> Result<(Response, Decoder, bool), Failure> {
        let limits = HeadLimits::default();
        let to = ResponseTo { head, upgrade: false };
        loop {
            let found = parse_response(&self.input, &limits, to, |head| {
                let mut fields = Fields::new();
                head.fields().for_each(|field| fields.push(field.name, field.value));
                let response = Response {
                    status: head.status,
                    fields,
                    body: BytesMut::new(),
                };
                (response, decoder(head.body, limits), head.keep_alive, head.is_interim())
            });
            match found.map_err(|bad| Failure::Malformed(bad.0))? {
                Some((length, (response, decoder, keep, interim))) => {
                    self.input.advance(length);
                    if !interim {
                        return Ok((response, decoder, keep));
                    }
                }
                None if self.more()? == 0 => return Err(Failure::Broken("it was closed".to_owned())),
                None => {}
            }
        }
    }

    fn body(&mut self, mut decoder: Decoder, into: &mut BytesMut, most: usize) -> Result<(), Failure> {
        loop {
            let step = decoder.decode(&mut self.input, into);
            let step = step.map_err(|error| Failure::Malformed(error.message()))?;
            if into.len() > most {
                return Err(Failure::Malformed("the body is too large"));
            }
            if step == Decoded::End {
                return Ok(());
            }
            if self.more()? == 0 {
                return decoder
                    .on_eof()
                    .map_err(|error| Failure::Broken(error.message().to_owned()));
            }
        }
    }

    fn more(&mut self) -> Result<usize, Failure> {
        let held = self.input.len();
        self.input.resize(held + READ, 0);
        let received = self.connection.read(&mut self.input[held..], self.deadline);
        self.input.truncate(held + received.as_ref().map_or(0, |count| *count));
        let received = received?;
        self.seen |= received > 0;
        Ok(received)
    }
}

fn decoder(body: ResponseBody, limits: HeadLimits) -> Decoder {
    match body {
        ResponseBody::None => Decoder::none(),
        ResponseBody::Length(length) => Decoder::length(length),
        ResponseBody::Chunked => Decoder::chunked(limits),
        ResponseBody::UntilClose => Decoder::until_close(),
    }
}
