//! A response's body is compressed on its way to the client.
//!
//! Whether it is follows from the head alone (`crate::compress`), and so the head is changed at once. Who accepts nothing is told
//! all the same that others get another body (`Vary`), as is who asks for the head alone, or whether what it has still holds.
//!
//! Weak entity tags (RFC 9110, 8.8.3): what a server says strongly holds for its own bytes. Who shows the weak one and is told 304
//! is told the weak one again, or it would not find what it has.

use std::{io, rc::Rc};

use bytes::BytesMut;

use super::{local::Local, options::Options, rewrite::response_fields};
use crate::{
    compress::{Coding, Encoder, MIN_LENGTH, is_eligible, wanted},
    http::{
        exchange::{Exchange, ReplyBody},
        fields::{Field, Known, elements},
        head::{Request, ResponseHead},
    },
};

/// What one turn compresses at most, so that a long body does not keep other clients waiting: brotli takes some 3 ms for it.
const TURN: usize = 128 * 1024;

/// In which coding responses to a request leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Compression {
    /// As they come.
    #[default]
    Off,
    /// In the one that the request accepts.
    Accepted,
    /// In this one if in any, whatever the request that a server gets says.
    Chosen(Option<Coding>),
}

impl Compression {
    /// Whether `head` needs no look: most are short.
    #[inline]
    pub(super) fn leaves(self, head: &ResponseHead<'_>) -> bool {
        self == Self::Off || head.content_length.is_some_and(|length| length < MIN_LENGTH) && head.status != 304
    }

    /// The same with the coding that `request` gets.
    pub(super) fn chosen_for(self, request: &Request) -> Self {
        match self {
            Self::Accepted => Self::Chosen(wanted(request)),
            known => known,
        }
    }

    /// What becomes of a response with `head`; `None` where it is left alone.
    #[cold]
    #[inline(never)]
    pub(super) fn changes(
        self,
        request: &Request,
        head: &ResponseHead<'_>,
        local: &Local,
    ) -> Option<(Changes, Option<Box<Compressor>>)> {
        if head.status == 304 {
            return Changes::of_unchanged(head, request).map(|changes| (changes, None));
        }
        if !is_eligible(head.status, head.content_length, head.values()) {
            return None;
        }
        let coding = self.coding(request);
        if request.is_head() {
            return Some((Changes::of(head, coding), None));
        }
        let compressor = coding.and_then(|coding| Compressor::new(local, coding, head.content_length));
        let coding = coding.filter(|_| compressor.is_some());
        Some((Changes::of(head, coding), compressor))
    }

    fn coding(self, request: &Request) -> Option<Coding> {
        match self {
            Self::Off => None,
            Self::Accepted => wanted(request),
            Self::Chosen(coding) => coding,
        }
    }
}

/// Fields that take the place of a server's, or come in addition.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    coding: Option<Coding>,
    vary: Option<Vec<u8>>,
    etag: Option<Vec<u8>>,
}

/// Starts the response with `head`, changed.
pub(super) fn start(
    exchange: &mut impl Exchange,
    head: &ResponseHead<'_>,
    changes: &Changes,
    options: &Options,
    reply: ReplyBody,
) {
    if head.status != 304 {
        exchange.varies_by_coding(changes.vary.is_some());
    }
    let reply = match (changes.coding, reply) {
        (None, reply) => reply,
        // To HEAD what GET would be told (RFC 9110, 9.3.2).
        (_, ReplyBody::Empty(_)) => ReplyBody::Empty(None),
        _ => ReplyBody::Streamed,
    };
    let kept = response_fields(head, options).filter(|field| !changes.replaces(field));
    exchange.start(head.status, head.reason, kept.chain(changes.fields()), reply);
}

impl Changes {
    fn of(head: &ResponseHead<'_>, coding: Option<Coding>) -> Self {
        Self {
            coding,
            vary: vary(head),
            etag: coding.and_then(|_| strong_etag(head)).map(weak),
        }
    }

    /// Of a 304: it was us who made the tag weak that the client shows.
    fn of_unchanged(head: &ResponseHead<'_>, request: &Request) -> Option<Self> {
        let etag = weak(strong_etag(head)?);
        let mut shown = request.fields().get_all(b"if-none-match");
        shown
            .any(|line| memchr::memmem::find(line, &etag).is_some())
            .then(|| Self {
                coding: None,
                vary: vary(head),
                etag: Some(etag),
            })
    }

    fn replaces(&self, field: &Field<'_>) -> bool {
        match field.known {
            Known::Vary => self.vary.is_some(),
            Known::Other if self.etag.is_some() && field.name.eq_ignore_ascii_case(b"etag") => true,
            Known::Other => self.coding.is_some() && field.name.eq_ignore_ascii_case(b"accept-ranges"),
            _ => false,
        }
    }

    fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        let coding = self
            .coding
            .map(|coding| Field::new(b"Content-Encoding", coding.name().as_bytes()));
        let vary = self.vary.as_ref().map(|value| Field::new(b"Vary", value));
        let etag = self.etag.as_ref().map(|value| Field::new(b"ETag", value));
        coding.into_iter().chain(vary).chain(etag)
    }
}

/// The server's `Vary` with `Accept-Encoding` added; `None` where that is said already, or all is said by `*`.
fn vary(head: &ResponseHead<'_>) -> Option<Vec<u8>> {
    let lines = || head.values().filter(|(known, ..)| *known == Known::Vary);
    let mut names = lines().flat_map(|(.., value)| elements(value));
    if names.any(|name| name == b"*" || name.eq_ignore_ascii_case(b"accept-encoding")) {
        return None;
    }
    let said = lines().flat_map(|(.., value)| elements(value));
    let all: Vec<_> = said.chain([b"Accept-Encoding".as_slice()]).collect();
    Some(all.join(b", ".as_slice()))
}

fn strong_etag<'a>(head: &ResponseHead<'a>) -> Option<&'a [u8]> {
    let mut fields = head.values();
    let (.., etag) = fields.find(|(known, name, _)| *known == Known::Other && name.eq_ignore_ascii_case(b"etag"))?;
    etag.starts_with(b"\"").then_some(etag)
}

fn weak(etag: &[u8]) -> Vec<u8> {
    [b"W/", etag].concat()
}

/// An encoder, and what waits between it and the client.
pub(super) struct Compressor {
    encoder: Encoder,
    pub(super) out: BytesMut,
    /// What this turn has compressed.
    turn: usize,
    finished: bool,
}

impl Compressor {
    fn new(local: &Local, coding: Coding, length: Option<u64>) -> Option<Box<Self>> {
        let encoder = Rc::clone(&local.encoders).lend(coding, length)?;
        if let Some(counter) = local.thread.counters().compressed.get(coding as usize) {
            counter.add(1);
        }
        Some(Box::new(Self {
            encoder,
            out: local.thread.buffers.take(),
            turn: 0,
            finished: false,
        }))
    }

    /// Compresses `data`, which is empty then.
    pub(super) fn take(&mut self, data: &mut BytesMut) -> io::Result<()> {
        self.turn += data.len();
        self.encoder.take(data, &mut self.out)?;
        data.clear();
        Ok(())
    }

    /// Has all that was taken come out, unless more is only put off.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match std::mem::take(&mut self.turn) {
            done if done >= TURN => Ok(()),
            _ => self.encoder.flush(&mut self.out),
        }
    }

    /// Whether others come first now.
    pub(super) fn is_due(&self) -> bool {
        self.turn >= TURN
    }

    /// Ends the body, once.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.finished, true) {
            true => Ok(()),
            false => self.encoder.finish(&mut self.out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head::{HeadLimits, ResponseTo, Version, parse_response};

    fn changed(lines: &str, of: impl Fn(&ResponseHead<'_>) -> Changes) -> (Changes, Vec<String>) {
        let head = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
        let read = |head: &ResponseHead<'_>| {
            let changes = of(head);
            let kept = head.fields().filter(|field| !changes.replaces(field));
            let all = kept.chain(changes.fields());
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let lines = all.map(|field| format!("{}: {}", text(field.name), text(field.value)));
            let lines = lines.collect();
            (changes, lines)
        };
        let (_, result) = parse_response(head.as_bytes(), &HeadLimits::default(), ResponseTo::default(), read)
            .unwrap()
            .unwrap();
        result
    }

    #[test]
    fn the_head_of_a_compressed_response_says_so() {
        let told = "Content-Length: 5000\r\nAccept-Ranges: bytes\r\nETag: \"a\"\r\nVary: Cookie\r\nX-A: 1\r\n";
        let (_, lines) = changed(told, |head| Changes::of(head, Some(Coding::Brotli)));
        let expected = [
            "X-A: 1",
            "Content-Encoding: br",
            "Vary: Cookie, Accept-Encoding",
            "ETag: W/\"a\"",
        ];
        assert_eq!(lines, expected);
        let (_, lines) = changed(told, |head| Changes::of(head, None));
        let expected = [
            "Accept-Ranges: bytes",
            "ETag: \"a\"",
            "X-A: 1",
            "Vary: Cookie, Accept-Encoding",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_is_said_already_stays() {
        for told in [
            "Vary: *\r\n",
            "Vary: accept, Accept-ENCODING\r\n",
            "Vary: Cookie\r\nVary: accept-encoding\r\n",
        ] {
            assert_eq!(
                changed(told, |head| Changes::of(head, None)).0,
                Changes::default(),
                "{told}"
            );
        }
        let (told, _) = changed("ETag: W/\"a\"\r\n", |head| Changes::of(head, Some(Coding::Gzip)));
        assert_eq!(told.etag, None);
    }

    #[test]
    fn a_304_weakens_the_tag_that_we_made_weak() {
        for (shown, weakened) in [
            ("W/\"a\"", true),
            ("\"b\", W/\"a\"", true),
            ("\"a\"", false),
            ("W/\"b\"", false),
            ("*", false),
        ] {
            let mut request = Request::new();
            request.begin(Version::Http11, b"GET", b"/", b"a");
            request.fields_mut().push(b"If-None-Match", shown.as_bytes());
            let of = |head: &ResponseHead<'_>| Changes::of_unchanged(head, &request).unwrap_or_default();
            let (told, _) = changed("ETag: \"a\"\r\n", of);
            assert_eq!(
                (told.etag.is_some(), told.vary.is_some()),
                (weakened, weakened),
                "{shown}"
            );
        }
    }
}
