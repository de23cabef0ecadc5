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

use std::{fmt, mem};

use bytes::{Buf, BytesMut};
use memchr::memchr;

use super::{
    fields::{Fields, is_token_byte},
    head::{HeadLimits, parse_trailers},
};

/// Digits of a chunk's size: as many as fit into 64 bits.
const SIZE_DIGITS: usize = 16;
/// Extensions of one chunk, and of all chunks of a body. Nobody uses them; without a limit they are a way to keep a
/// server busy with a body that never grows (CVE-2023-39326).
const EXTENSION_BYTES: usize = 256;
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
        let Some(line) = complete_line(input)? else {
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

/// The size line at the start of `input` without its end, if it is all there.
fn complete_line(input: &[u8]) -> Result<Option<&[u8]>, FramingError> {
    const LONGEST: usize = SIZE_DIGITS + EXTENSION_BYTES;
    let within = input.get(..LONGEST + 2).unwrap_or(input);
    match memchr(b'\n', within).and_then(|end| within.get(..end)) {
        Some([line @ .., b'\r']) => Ok(Some(line)),
        Some(_) => Err(FramingError::Malformed("a chunk's size line does not end with CRLF")),
        None if within.len() == LONGEST + 2 => Err(FramingError::Malformed("a chunk's size line is too long")),
        // Told at once, and not when the client has given up waiting for an answer.
        None if within.first().is_some_and(|byte| !byte.is_ascii_hexdigit()) => {
            Err(FramingError::Malformed("a chunk's size is malformed"))
        }
        None => Ok(None),
    }
}

/// The size and the length of the extensions: hexadecimal digits, nothing before, only extensions after.
fn parse_size_line(line: &[u8]) -> Option<(u64, usize)> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, extensions) = line.split_at_checked(digits)?;
    if digits.is_empty() || digits.len() > SIZE_DIGITS || !is_extensions(extensions) {
        return None;
    }
    let size = u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    Some((size, extensions.len()))
}

/// `*( BWS ";" BWS name [ BWS "=" BWS value ] )` (RFC 9112, 7.1.1).
fn is_extensions(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some(extension) = skip_blanks(rest).strip_prefix(b";") else {
            return false;
        };
        let Some(after_name) = skip_token(skip_blanks(extension)) else {
            return false;
        };
        rest = match skip_blanks(after_name).strip_prefix(b"=") {
            None => after_name,
            Some(value) => match skip_extension_value(skip_blanks(value)) {
                Some(after_value) => after_value,
                None => return false,
            },
        };
    }
    true
}

fn skip_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

fn skip_token(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().take_while(|byte| is_token_byte(**byte)).count();
    if length == 0 { None } else { text.get(length..) }
}

fn skip_extension_value(text: &[u8]) -> Option<&[u8]> {
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        return skip_token(text);
    };
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] if !byte.is_ascii_control() || *byte == b'\t' => rest,
            _ => return None,
        };
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        line: 100,
        bytes: 400,
        count: 3,
    };

    /// Body, trailers as lines, and what is left of the input.
    type Seen = (String, String, String);

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn chunked(input: &str) -> Result<Option<Seen>, FramingError> {
        let (mut input, mut output) = (BytesMut::from(input), BytesMut::new());
        let mut decoder = Decoder::chunked(LIMITS);
        Ok((decoder.decode(&mut input, &mut output)? == Decoded::End).then(|| {
            let mut trailers = BytesMut::new();
            decoder
                .trailers()
                .into_iter()
                .flat_map(Fields::iter)
                .for_each(|field| field.write(&mut trailers));
            (text(&output), text(&trailers), text(&input))
        }))
    }

    #[test]
    fn a_length_is_counted_down() {
        let mut decoder = Decoder::length(6);
        let (mut input, mut output) = (BytesMut::from("mill"), BytesMut::new());
        assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::Data));
        assert_eq!(
            (&output[..], decoder.remaining(), decoder.on_eof()),
            (&b"mill"[..], Some(2), Err(FramingError::CutOff))
        );
        assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::More));
        input.extend_from_slice(b"erGET");
        assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::End));
        assert_eq!((&output[..], &input[..]), (&b"miller"[..], &b"GET"[..]));
        assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::End));
        assert!(decoder.is_done() && decoder.on_eof().is_ok() && &input[..] == b"GET");
    }

    #[test]
    fn no_body_takes_nothing() {
        for mut decoder in [Decoder::none(), Decoder::length(0)] {
            let (mut input, mut output) = (BytesMut::from("GET"), BytesMut::new());
            assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::End));
            assert_eq!(
                (&output[..], &input[..], decoder.remaining()),
                (&b""[..], &b"GET"[..], Some(0))
            );
        }
    }

    #[test]
    fn only_the_end_of_the_connection_ends_until_close() {
        let mut decoder = Decoder::until_close();
        let (mut input, mut output) = (BytesMut::from("all"), BytesMut::new());
        assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::Data));
        assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::More));
        assert!(!decoder.is_done() && decoder.remaining().is_none());
        assert!(decoder.on_eof().is_ok() && decoder.is_done());
        assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::End));
    }

    #[test]
    fn whole_buffers_change_hands_without_a_copy() {
        let (mut input, mut output) = (BytesMut::from("mill"), BytesMut::new());
        let place = input.as_ptr();
        assert_eq!(Decoder::length(9).decode(&mut input, &mut output), Ok(Decoded::Data));
        assert_eq!((output.as_ptr(), input.len()), (place, 0));
    }

    #[test]
    fn chunks_are_joined() {
        for (input, body, trailers, left) in [
            ("0\r\n\r\n", "", "", ""),
            ("4\r\nmill\r\n0\r\n\r\n", "mill", "", ""),
            ("4\r\nmill\r\n2\r\ner\r\n000\r\n\r\nGET", "miller", "", "GET"),
            (
                "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
                "01234567890123456789",
                "",
                "",
            ),
            ("0000000000000002\r\n\r\n\r\n0\r\n\r\n", "\r\n", "", ""),
            ("2;a\r\nab\r\n0;b=c\r\n\r\n", "ab", "", ""),
            ("2 ; a = \"b;\\\"c\\\\\" ;d=e\r\nab\r\n0\r\n\r\n", "ab", "", ""),
            (
                "0\r\nX-Sum:1\r\nGrpc-Status: 0\r\n\r\nGET",
                "",
                "X-Sum: 1\r\nGrpc-Status: 0\r\n",
                "GET",
            ),
        ] {
            let expected = (body.to_owned(), trailers.to_owned(), left.to_owned());
            assert_eq!(chunked(input), Ok(Some(expected)), "{input:?}");
        }
    }

    #[test]
    fn trailers_that_come_too_late_are_dropped() {
        for name in [
            "Content-Length",
            "Transfer-Encoding",
            "Host",
            "Authorization",
            "Set-Cookie",
            "Content_Length",
        ] {
            let input = format!("0\r\n{name}: 1\r\n\r\n");
            assert_eq!(chunked(&input), Ok(Some(Seen::default())), "{input:?}");
        }
        let input = "0\r\nTrailer: a\r\nX-A: b\r\nConnection: close\r\n\r\n";
        assert_eq!(
            chunked(input),
            Ok(Some((String::new(), "X-A: b\r\n".to_owned(), String::new())))
        );
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for input in [
            "\r\n",
            "\n",
            "0x4\r\n",
            "+4\r\n",
            "-4\r\n",
            " 4\r\n",
            "4 \r\n",
            "4\t\r\n",
            "4_0\r\n",
            "4h\r\n",
            "g\r\n",
            ";a\r\n",
            "4\n",
            "4\rmill",
            "4;\r\n",
            "4;a\n",
            "4;=b\r\n",
            "4;a=\r\n",
            "4;a=\"b\r\n",
            "4;a b\r\n",
            "4;a \r\n",
            "4;a=\"b\"c\r\n",
            "4;\x01\r\n",
            "4;a\rb\r\n",
            "4,a\r\n",
            "00000000000000004\r\n",
            "fffffffffffffffff\r\n",
            "4\r\nmillx",
            "4\r\nmill\n",
            "4\r\nmill\rx",
            "4\r\nmill0\r\n\r\n",
            "4\r\nmill\r\n\r\n",
            "0\r\n\n",
            "0\r\n\rx",
            "0\r\nA: b\n\r\n",
            "0\r\nA: b\r\n\n",
            "0\r\nA : b\r\n\r\n",
            "0\r\n A: b\r\n\r\n",
            "0\r\nA: b\r\n c\r\n\r\n",
            "0\r\n: b\r\n\r\n",
            "0\r\nA: \0\r\n\r\n",
            "0\r\nGET / HTTP/1.1\r\n\r\n",
        ] {
            let result = chunked(&format!("{input}\r\n"));
            assert!(
                matches!(result, Err(FramingError::Malformed(_))),
                "{input:?}: {result:?}"
            );
        }
    }

    #[test]
    fn extensions_and_trailers_are_limited() {
        let long = "a".repeat(EXTENSION_BYTES + SIZE_DIGITS);
        assert!(chunked(&format!("4;{long}")).is_err());
        let short = "a".repeat(EXTENSION_BYTES - 2);
        let chunks = |count| format!("1;{short}\r\na\r\n").repeat(count) + "0\r\n\r\n";
        assert!(chunked(&chunks(10)).is_ok_and(|seen| seen.is_some()));
        assert!(chunked(&chunks(20)).is_err());
        assert!(chunked(&format!("0\r\n{}", "A: b\r\n".repeat(3))).is_ok());
        for trailers in [
            "A: b\r\n".repeat(4) + "\r\n",
            format!("A: {}", "b".repeat(110)),
            format!("{}: b", "a".repeat(110)),
        ] {
            assert!(chunked(&format!("0\r\n{trailers}")).is_err(), "{trailers:?}");
        }
    }

    #[test]
    fn the_largest_size_is_taken_at_its_word() {
        let mut decoder = Decoder::chunked(LIMITS);
        let (mut input, mut output) = (BytesMut::from("ffffffffffffffff\r\nmill"), BytesMut::new());
        assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::Data));
        assert_eq!(
            (&output[..], decoder.on_eof()),
            (&b"mill"[..], Err(FramingError::CutOff))
        );
    }

    #[test]
    fn chunks_are_written_as_they_are_read() {
        let mut trailers = Fields::new();
        trailers.push(b"x-sum", b"1");
        trailers.push(b"content-length", b"1");
        let mut out = BytesMut::new();
        for length in [1, 9, 15, 16, 255, 256, 4096, 65535, 65536] {
            encode_chunk(&mut out, &vec![b'x'; length]);
            assert!(out.starts_with(format!("{length:x}\r\nx").as_bytes()), "{length}");
            encode_last_chunk(&mut out, Some(&trailers));
            let seen = chunked(&text(&out)).expect("well-formed").expect("complete");
            assert_eq!(
                (seen.0.len(), seen.1.as_str(), seen.2.as_str()),
                (length, "x-sum: 1\r\n", "")
            );
            out.clear();
        }
        encode_chunk(&mut out, b"");
        assert!(out.is_empty());
    }
}
