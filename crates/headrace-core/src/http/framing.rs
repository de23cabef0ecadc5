//! Bodies of HTTP/1.1 messages: framing off on one side, framing on again on the other (RFC 9112, 6 and 7).
//!
//! A decoder moves body bytes from `input` to `output` and drops the framing between them. What it cannot read yet (half
//! of a chunk's size line, of the trailers) stays in `input` until more has come, so the decoder itself buffers nothing
//! and any split of the input gives the same result. What follows the body stays in `input` too.
//!
//! Invariants
//! - `input` is never left with more than a size line or the trailers' limit: a caller that reads bounded portions has
//!   bounded buffers;
//! - a body that ended is `Decoded::End`, by its own framing; the end of the connection ends only `until_close`;
//! - chunk extensions are checked, bounded and dropped, as are trailers that could change what the head has said.
//!
//! Strict where others are lenient, since each leniency here is known as a way to smuggle a request: line ends are CRLF,
//! sizes are bare hexadecimal digits, extensions follow the grammar, a chunk's data ends where its size says.

mod size_line;
#[cfg(test)]
mod tests;

use std::{fmt, mem};

use bytes::{Buf, BytesMut};

use self::size_line::{complete_line, parse_size_line};
use super::{
    fields::Fields,
    head::{HeadLimits, parse_trailers},
};

/// Extensions of all chunks of a body. Nobody uses them; without a limit they are a way to keep a server busy with a body
/// that never grows (CVE-2023-39326).
const EXTENSIONS_BYTES: usize = 4096;

/// What came of a [`Decoder::decode`]. Only `End` says nothing about the output: it may or may not have grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded {
    /// More input is needed; keep what is left in it.
    More,
    /// The output grew; the body goes on.
    Data,
    /// The body is complete; the input starts with whatever follows it.
    End,
}

/// Why a body cannot be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FramingError {
    Malformed(&'static str),
    /// The connection ended before the body.
    CutOff,
}

impl FramingError {
    pub fn message(self) -> &'static str {
        match self {
            Self::Malformed(reason) => reason,
            Self::CutOff => "the connection ended before the body",
        }
    }
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for FramingError {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Length(u64),
    UntilClose,
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    Done,
}

/// Takes the framing off one body.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    limits: HeadLimits,
    extensions: usize,
    trailers: Option<Fields>,
}

impl Decoder {
    fn new(state: State, limits: HeadLimits) -> Self {
        Self {
            state,
            limits,
            extensions: 0,
            trailers: None,
        }
    }

    /// No body follows.
    pub fn none() -> Self {
        Self::new(State::Done, HeadLimits::default())
    }

    /// Exactly `length` bytes follow.
    pub fn length(length: u64) -> Self {
        Self::new(
            if length == 0 {
                State::Done
            } else {
                State::Length(length)
            },
            HeadLimits::default(),
        )
    }

    /// Chunks follow, and trailers within `limits`.
    pub fn chunked(limits: HeadLimits) -> Self {
        Self::new(State::ChunkSize, limits)
    }

    /// All that comes until the connection ends is body.
    pub fn until_close() -> Self {
        Self::new(State::UntilClose, HeadLimits::default())
    }

    /// Moves what it can from `input` to `output`; an empty `output` may be exchanged for `input` instead of filled.
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use headrace_core::http::{framing::{Decoded, Decoder}, head::HeadLimits};
    /// let mut decoder = Decoder::chunked(HeadLimits::default());
    /// let (mut input, mut output) = (BytesMut::from("4\r\nmill\r\n0\r\n\r\nGET"), BytesMut::new());
    /// assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::End));
    /// assert_eq!((&output[..], &input[..]), (&b"mill"[..], &b"GET"[..]));
    /// ```
    pub fn decode(&mut self, input: &mut BytesMut, output: &mut BytesMut) -> Result<Decoded, FramingError> {
        let before = output.len();
        while let Some(next) = self.step(input, output)? {
            self.state = next;
            if next == State::Done {
                return Ok(Decoded::End);
            }
        }
        Ok(match self.state {
            State::Done => Decoded::End,
            _ if output.len() > before => Decoded::Data,
            _ => Decoded::More,
        })
    }

    /// The state that follows once `input` has brought what the present one waits for; `None` as long as it has not.
    fn step(&mut self, input: &mut BytesMut, output: &mut BytesMut) -> Result<Option<State>, FramingError> {
        match self.state {
            State::Length(rest) => match rest - take(input, output, rest) {
                0 => Ok(Some(State::Done)),
                rest => {
                    self.state = State::Length(rest);
                    Ok(None)
                }
            },
            State::ChunkData(rest) => match rest - take(input, output, rest) {
                0 => Ok(Some(State::ChunkEnd)),
                rest => {
                    self.state = State::ChunkData(rest);
                    Ok(None)
                }
            },
            State::UntilClose => {
                take(input, output, u64::MAX);
                Ok(None)
            }
            State::ChunkSize => self.chunk_size(input),
            State::ChunkEnd => chunk_end(input),
            State::Trailers => self.trailer_section(input),
            State::Done => Ok(None),
        }
    }

    fn chunk_size(&mut self, input: &mut BytesMut) -> Result<Option<State>, FramingError> {
        let Some(line) = complete_line(input).map_err(FramingError::Malformed)? else {
            return Ok(None);
        };
        let (size, extension) = parse_size_line(line).ok_or(FramingError::Malformed("a chunk's size is malformed"))?;
        let length = line.len() + 2;
        self.extensions += extension;
        if self.extensions > EXTENSIONS_BYTES {
            return Err(FramingError::Malformed("the chunks have too many extensions"));
        }
        input.advance(length);
        Ok(Some(if size == 0 {
            State::Trailers
        } else {
            State::ChunkData(size)
        }))
    }

    fn trailer_section(&mut self, input: &mut BytesMut) -> Result<Option<State>, FramingError> {
        if input.starts_with(b"\r\n") {
            input.advance(2);
            return Ok(Some(State::Done));
        }
        let mut trailers = Fields::new();
        let Some(length) = parse_trailers(input, &self.limits, &mut trailers).map_err(FramingError::Malformed)? else {
            return Ok(None);
        };
        input.advance(length);
        self.trailers = Some(trailers).filter(|trailers| !trailers.is_empty());
        Ok(Some(State::Done))
    }

    /// The connection has ended: whether that ends the body, too.
    pub fn on_eof(&mut self) -> Result<(), FramingError> {
        match self.state {
            State::UntilClose | State::Done => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(FramingError::CutOff),
        }
    }

    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// What came after a chunked body.
    pub fn trailers(&self) -> Option<&Fields> {
        self.trailers.as_ref()
    }

    /// Counts `length` bytes of a body of known length that were passed on without being decoded.
    pub fn pass(&mut self, length: u64) {
        if let State::Length(rest) = &mut self.state {
            *rest = rest.saturating_sub(length);
        }
    }

    /// How many bytes are still to come, where that is known.
    pub fn remaining(&self) -> Option<u64> {
        match self.state {
            State::Length(rest) => Some(rest),
            State::Done => Some(0),
            _ => None,
        }
    }
}

/// Moves at most `most` bytes and says how many.
fn take(input: &mut BytesMut, output: &mut BytesMut, most: u64) -> u64 {
    let length = usize::try_from(most).unwrap_or(usize::MAX).min(input.len());
    if output.is_empty() && length == input.len() {
        mem::swap(input, output);
    } else {
        output.extend_from_slice(input.get(..length).unwrap_or_default());
        input.advance(length);
    }
    length as u64
}

/// CRLF after a chunk's data.
fn chunk_end(input: &mut BytesMut) -> Result<Option<State>, FramingError> {
    match &input[..] {
        [] | [b'\r'] => Ok(None),
        [b'\r', b'\n', ..] => {
            input.advance(2);
            Ok(Some(State::ChunkSize))
        }
        _ => Err(FramingError::Malformed("a chunk's data is longer than its size")),
    }
}

/// What follows a chunk's data.
pub const CHUNK_END: &[u8] = b"\r\n";

/// Appends the size line of a chunk of `length` bytes, which must not be 0: that would be the last chunk.
pub fn encode_chunk_prefix(out: &mut BytesMut, length: usize) {
    let digits = (usize::BITS - length.leading_zeros()).div_ceil(4);
    for place in (0..digits).rev() {
        let digit = (length >> (4 * place)) & 15;
        out.extend_from_slice(b"0123456789abcdef".get(digit..=digit).unwrap_or_default());
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends `data` as a chunk, or nothing if there is none.
pub fn encode_chunk(out: &mut BytesMut, data: &[u8]) {
    if !data.is_empty() {
        encode_chunk_prefix(out, data.len());
        out.extend_from_slice(data);
        out.extend_from_slice(CHUNK_END);
    }
}

/// Appends the last chunk and the trailers that are allowed there.
pub fn encode_last_chunk(out: &mut BytesMut, trailers: Option<&Fields>) {
    out.extend_from_slice(b"0\r\n");
    for field in trailers
        .into_iter()
        .flat_map(Fields::iter)
        .filter(|field| field.known.may_trail())
    {
        field.write(out);
    }
    out.extend_from_slice(b"\r\n");
}
