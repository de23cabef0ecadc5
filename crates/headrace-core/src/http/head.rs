//! Heads of HTTP/1.1 messages as values: bytes in, facts out, no I/O.
//!
//! `httparse` finds the parts; what it lets through and a gateway must not is refused here: line ends other than CRLF,
//! framing that two parties could read differently, targets and hosts that name another place to another reader.
//! A head that is refused is never passed on, and one that is accepted is written anew from the facts, so nothing of
//! the sender's framing reaches the other side.
//!
//! - [`request`]: a client's head, owned and reused, since the handler needs it while the buffer reads on;
//! - [`response`]: an app server's head, borrowed for the moment in which it is passed on;
//! - [`bare`]: a request that is nothing but a head, for the app servers;
//! - [`target`]: the forms of a request target and the authority in it or in `Host`;
//! - [`trailers`]: fields after a body;
//! - [`refusal`]: why a head is not taken;
//! - here: the rules both sides share.

mod bare;
mod refusal;
mod request;
mod response;
mod target;
mod trailers;

use bytes::BytesMut;
use memchr::memchr_iter;

pub use super::fields::write_field;
pub use crate::limits::HeadLimits;
pub use bare::Bare;
pub use refusal::{BadResponse, Refusal};
pub use request::{BodyKind, Request, parse_request};
pub use response::{ResponseBody, ResponseHead, ResponseTo, parse_response};
pub(super) use target::{Target, is_authority, parse_target};
pub(super) use trailers::parse_trailers;

use self::refusal::{BARE_LF, Fault, LINE_TOO_LONG, TOO_LARGE};
use super::fields::{Slice, elements};

/// The most fields a head can have, whatever its limits say: their places lie on the stack while it is parsed.
pub const MOST_FIELDS: usize = 256;

/// The most elements of all `Connection` fields together. Each may name a field, and each field is held against each.
const MOST_OPTIONS: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Http10,
    Http11,
    Http2,
}

impl Version {
    fn of(minor: Option<u8>) -> Self {
        if minor == Some(0) { Self::Http10 } else { Self::Http11 }
    }
}

/// Checks the lines of a complete head by where they start: `httparse` has read every byte already, and all it left
/// open is whether the byte before each LF is a CR.
struct Lines<'a> {
    text: &'a [u8],
    limits: &'a HeadLimits,
    previous: usize,
}

impl<'a> Lines<'a> {
    fn new(text: &'a [u8], limits: &'a HeadLimits) -> Self {
        Self {
            text,
            limits,
            previous: 0,
        }
    }

    /// A line starts at `start`, so one has ended before it.
    #[inline]
    fn starts(&mut self, start: usize) -> Result<(), Fault> {
        if self.text.get(start.wrapping_sub(2)..start) != Some(b"\r\n") {
            return Err(BARE_LF);
        }
        let line = start - self.previous - 2;
        if line > self.limits.line {
            return Err(if self.previous == 0 {
                Fault::StartLineTooLong
            } else {
                LINE_TOO_LONG
            });
        }
        self.previous = start;
        Ok(())
    }

    /// The head ends with an empty line at `end`.
    fn end(mut self, end: usize) -> Result<(), Fault> {
        if end > self.limits.bytes {
            return Err(TOO_LARGE);
        }
        if self.text.get(end.wrapping_sub(2)..end) != Some(b"\r\n") {
            return Err(BARE_LF);
        }
        self.starts(end - 2)
    }
}

/// Refuses the beginning of a head that cannot become an acceptable one, so that it is not waited for and stored.
fn check_unfinished(text: &[u8], limits: &HeadLimits) -> Result<(), Fault> {
    let mut lines = Lines::new(text, limits);
    for end in memchr_iter(b'\n', text) {
        lines.starts(end + 1)?;
    }
    let rest = text.len() - lines.previous;
    if rest > limits.line + 2 {
        return Err(if lines.previous == 0 {
            Fault::StartLineTooLong
        } else {
            LINE_TOO_LONG
        });
    }
    if text.len() >= limits.bytes {
        Err(TOO_LARGE)
    } else {
        Ok(())
    }
}

/// What the fields say about the body's framing, gathered one by one (RFC 9112, 6).
#[derive(Debug, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    /// A `Content-Length`. `repeated` allows it to be told once more if it says the same.
    fn length(&mut self, value: &[u8], repeated: bool) -> Result<(), Fault> {
        let length = parse_length(value).ok_or(Fault::Malformed("Content-Length is not a number"))?;
        match self.length {
            Some(_) if !repeated => Err(Fault::Malformed("Content-Length is repeated")),
            Some(before) if before != length => Err(Fault::Malformed("Content-Length contradicts itself")),
            _ => {
                self.length = Some(length);
                Ok(())
            }
        }
    }

    /// A `Transfer-Encoding`: `chunked` alone. Any other coding would have to be undone before the message could be
    /// written anew, and a list is where two parsers disagree.
    fn coding(&mut self, value: &[u8]) -> Result<(), Fault> {
        if self.chunked {
            return Err(Fault::Malformed("Transfer-Encoding is repeated"));
        }
        self.chunked = value.eq_ignore_ascii_case(b"chunked");
        if self.chunked {
            Ok(())
        } else {
            Err(Fault::Malformed("Transfer-Encoding is not chunked alone"))
        }
    }

    fn check(&self, version: Version) -> Result<(), Fault> {
        if self.chunked && self.length.is_some() {
            return Err(Fault::Malformed(
                "Content-Length and Transfer-Encoding exclude each other",
            ));
        }
        if self.chunked && version == Version::Http10 {
            return Err(Fault::Malformed("HTTP/1.0 has no Transfer-Encoding"));
        }
        Ok(())
    }
}

/// Digits only: no sign, blank, list or base (RFC 9110, 8.6).
pub(super) fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |length, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })
}

/// What the `Connection` fields ask for (RFC 9110, 7.6.1).
#[derive(Debug, Default)]
struct Options {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    /// Other fields are named, to be taken out.
    nominates: bool,
    count: usize,
}

impl Options {
    fn read(&mut self, value: &[u8]) -> Result<(), Fault> {
        // What nearly all of them say.
        if value == b"keep-alive" {
            self.keep_alive = true;
            self.count += 1;
            return Ok(());
        }
        for option in elements(value) {
            self.count += 1;
            match option.len() {
                5 if option.eq_ignore_ascii_case(b"close") => self.close = true,
                10 if option.eq_ignore_ascii_case(b"keep-alive") => self.keep_alive = true,
                7 if option.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
                2 if option.eq_ignore_ascii_case(b"te") => {}
                _ => self.nominates = true,
            }
        }
        if self.count > MOST_OPTIONS {
            Err(Fault::Malformed("Connection has too many options"))
        } else {
            Ok(())
        }
    }

    /// Whether the connection goes on after the message (RFC 9112, 9.3).
    fn persist(&self, version: Version) -> bool {
        !self.close && (version != Version::Http10 || self.keep_alive)
    }
}

/// Whether a `Connection` field with this value names the field `name`.
fn nominates(value: &[u8], name: &[u8]) -> bool {
    elements(value).any(|option| option.eq_ignore_ascii_case(name))
}

/// Where a parsed field's name and value lie in `text`.
#[inline]
fn places(header: &httparse::Header<'_>, text: &[u8]) -> (Slice, Slice) {
    (
        Slice::locate(header.name.as_bytes(), text),
        Slice::locate(header.value, text),
    )
}

/// Appends `number` in decimal.
pub fn write_decimal(out: &mut BytesMut, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends an HTTP/1.1 status line with its end.
pub fn write_status_line(out: &mut BytesMut, status: u16, reason: &[u8]) {
    out.extend_from_slice(b"HTTP/1.1 ");
    write_decimal(out, u64::from(status));
    out.extend_from_slice(b" ");
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}
