//! A client's request head.

#[cfg(test)]
mod tests;

use std::mem::MaybeUninit;

use bytes::BytesMut;
use httparse::{ParserConfig, Status};
use memchr::memchr;

use super::{
    Fault, Framing, HeadLimits, Lines, MOST_FIELDS, Options, Version, check_unfinished, nominates, places,
    refusal::Refusal,
    response::ResponseTo,
    target::{Target, is_authority, parse_target},
};
use crate::http::fields::{Fields, Known, Slice, classify, elements, is_token};

/// Empty lines that are skipped before a request line; old clients send one after a body (RFC 9112, 2.2).
const EMPTY_LINES: usize = 4;

/// How a request's body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyKind {
    #[default]
    None,
    /// `Content-Length`, which may be 0.
    Length(u64),
    Chunked,
}

/// A request's head: owned, flat, reused from request to request.
#[derive(Debug)]
pub struct Request {
    pub version: Version,
    pub body: BodyKind,
    /// Whether the client keeps the connection open for another request.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
    /// Whether the client asks to change the protocol to [`Request::upgrade_token`]; never for one with a body.
    pub upgrade: bool,
    /// Whether the client takes trailers (`TE: trailers`).
    pub trailers_ok: bool,
    method: Slice,
    target: Slice,
    authority: Slice,
    upgrade_token: Slice,
    fields: Fields,
}

impl Default for Request {
    fn default() -> Self {
        Self::new()
    }
}

impl Request {
    pub fn new() -> Self {
        Self {
            version: Version::Http11,
            body: BodyKind::None,
            keep_alive: true,
            expect_continue: false,
            upgrade: false,
            trailers_ok: false,
            method: Slice::default(),
            target: Slice::default(),
            authority: Slice::default(),
            upgrade_token: Slice::default(),
            fields: Fields::new(),
        }
    }

    /// Forgets the request and keeps a usual head's memory for the next one.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::new() };
    }

    /// Starts a request that came in parts, as in HTTP/2; its fields follow by [`Request::fields_mut`].
    pub fn begin(&mut self, version: Version, method: &[u8], target: &[u8], authority: &[u8]) {
        self.clear();
        self.version = version;
        self.method = self.fields.append(method);
        self.target = self.fields.append(target);
        self.authority = self.fields.append(authority);
    }

    pub fn method(&self) -> &[u8] {
        self.fields.bytes_at(self.method)
    }

    /// Path and query, or `*`; for CONNECT the authority.
    pub fn target(&self) -> &[u8] {
        self.fields.bytes_at(self.target)
    }

    /// The target without its query.
    pub fn path(&self) -> &[u8] {
        let target = self.target();
        target
            .get(..memchr(b'?', target).unwrap_or(target.len()))
            .unwrap_or_default()
    }

    /// Host and port that the client asked for: of an absolute target, else of `Host`. Empty only in HTTP/1.0.
    pub fn authority(&self) -> &[u8] {
        self.fields.bytes_at(self.authority)
    }

    /// What `Upgrade` names, when `upgrade` is set.
    pub fn upgrade_token(&self) -> &[u8] {
        self.fields.bytes_at(self.upgrade_token)
    }

    /// The end-to-end fields. `Host`, framing, `Expect` and hop-by-hop fields are told by the request itself.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    pub fn fields_mut(&mut self) -> &mut Fields {
        &mut self.fields
    }

    pub fn is_head(&self) -> bool {
        self.method() == b"HEAD"
    }

    pub fn is_connect(&self) -> bool {
        self.method() == b"CONNECT"
    }

    /// Whether the method asks for nothing to be changed (RFC 9110, 9.2.1).
    pub fn is_safe(&self) -> bool {
        matches!(self.method(), b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE")
    }

    /// Whether the request may be sent twice (RFC 9110, 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        self.is_safe() || matches!(self.method(), b"PUT" | b"DELETE")
    }

    /// What a response must know of the request to be framed.
    pub fn response_to(&self) -> ResponseTo {
        ResponseTo {
            head: self.is_head(),
            upgrade: self.upgrade,
        }
    }

    /// Appends the request line, of HTTP/1.1 whatever the client spoke.
    pub fn write_start(&self, out: &mut BytesMut) {
        for part in [self.method(), b" ", self.target(), b" HTTP/1.1\r\n"] {
            out.extend_from_slice(part);
        }
    }
}

/// Reads the request head at the start of `input` into `out`.
///
/// `Ok(None)` means that more bytes are needed, `Ok(Some(length))` that the head, with the empty line before it if there
/// is one, is the first `length` bytes. Nothing of `out` means anything after a refusal.
///
/// ```
/// # use headrace_core::http::head::{HeadLimits, Request, parse_request};
/// let mut request = Request::new();
/// let input = b"GET /posts?page=2 HTTP/1.1\r\nHost: blog\r\n\r\n";
/// assert_eq!(parse_request(input, &HeadLimits::default(), &mut request), Ok(Some(input.len())));
/// assert_eq!(request.path(), b"/posts");
/// ```
pub fn parse_request(input: &[u8], limits: &HeadLimits, out: &mut Request) -> Result<Option<usize>, Refusal> {
    out.clear();
    let Some(skipped) = skip_empty_lines(input)? else {
        return Ok(None);
    };
    let input = input.get(skipped..).unwrap_or_default();
    let mut slots = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let slots = slots.get_mut(..limits.count.min(MOST_FIELDS)).unwrap_or_default();
    let mut parsed = httparse::Request::new(&mut []);
    match ParserConfig::default().parse_request_with_uninit_headers(&mut parsed, input, slots) {
        Ok(Status::Complete(length)) => {
            let text = input.get(..length).unwrap_or_default();
            Reader::new(text, out).read(&parsed, limits)?;
            Ok(Some(skipped + length))
        }
        Ok(Status::Partial) => {
            check_unfinished(input, limits)?;
            Ok(None)
        }
        Err(error) => Err(Fault::from(error).into()),
    }
}

/// How many bytes of empty lines come first; `None` while that is open.
fn skip_empty_lines(input: &[u8]) -> Result<Option<usize>, Fault> {
    let mut skipped = 0;
    loop {
        match input.get(skipped..).unwrap_or_default() {
            [] | [b'\r'] => return Ok(None),
            [b'\r', b'\n', ..] if skipped < 2 * EMPTY_LINES => skipped += 2,
            [b'\r' | b'\n', ..] => return Err(Fault::Malformed("empty lines come before the request")),
            _ => return Ok(Some(skipped)),
        }
    }
}

/// Turns what `httparse` found in `text` into a [`Request`].
struct Reader<'a> {
    text: &'a [u8],
    out: &'a mut Request,
    framing: Framing,
    options: Options,
    host: Option<Slice>,
    upgrades: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a [u8], out: &'a mut Request) -> Self {
        Self {
            text,
            out,
            framing: Framing::default(),
            options: Options::default(),
            host: None,
            upgrades: 0,
        }
    }

    fn read(mut self, parsed: &httparse::Request<'_, '_>, limits: &HeadLimits) -> Result<(), Refusal> {
        let method = parsed.method.unwrap_or_default().as_bytes();
        let target = parsed.path.unwrap_or_default().as_bytes();
        self.out.version = Version::of(parsed.version);
        self.out.fields.append(self.text);
        self.out.method = Slice::locate(method, self.text);
        let mut lines = Lines::new(self.text, limits);
        for header in parsed.headers.iter() {
            let (name, value) = places(header, self.text);
            lines.starts(name.start as usize)?;
            self.field(name, value)?;
        }
        lines.end(self.text.len())?;
        self.target(method, target)?;
        self.conclude(parsed)
    }

    #[inline]
    fn field(&mut self, name: Slice, value: Slice) -> Result<(), Refusal> {
        let known = classify(name.of(self.text));
        match known {
            Known::ContentLength => self.framing.length(value.of(self.text), false)?,
            Known::TransferEncoding => self.framing.coding(value.of(self.text))?,
            Known::Connection => self.options.read(value.of(self.text))?,
            Known::Host => self.host(value)?,
            Known::Expect => self.expect(value.of(self.text))?,
            Known::Te => self.out.trailers_ok |= asks_for_trailers(value.of(self.text)),
            Known::Upgrade => {
                self.upgrades += 1;
                self.out.upgrade_token = value;
            }
            Known::Disguised => {}
            _ if known.is_hop_by_hop() => {}
            _ => self.out.fields.adopt(self.text, known, name, value),
        }
        Ok(())
    }

    fn host(&mut self, value: Slice) -> Result<(), Refusal> {
        if self.host.replace(value).is_some() {
            return Err(Refusal::BadRequest("Host is repeated"));
        }
        if is_authority(value.of(self.text)) {
            Ok(())
        } else {
            Err(Refusal::BadRequest("Host is malformed"))
        }
    }

    /// HTTP/1.0 knows no expectations, so there the field says nothing (RFC 9110, 10.1.1).
    fn expect(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.out.version == Version::Http10 {
            return Ok(());
        }
        self.out.expect_continue = value.eq_ignore_ascii_case(b"100-continue");
        if self.out.expect_continue {
            Ok(())
        } else {
            Err(Refusal::ExpectationFailed)
        }
    }

    fn target(&mut self, method: &[u8], target: &[u8]) -> Result<(), Refusal> {
        let host = match self.host {
            Some(host) => host,
            None if self.out.version == Version::Http10 => Slice::default(),
            None => return Err(Refusal::BadRequest("Host is missing")),
        };
        let place = Slice::locate(target, self.text);
        (self.out.target, self.out.authority) = match parse_target(method, target).map_err(Refusal::BadRequest)? {
            Target::Origin(_) => (place, host),
            Target::Authority(_) => (place, place),
            // The target wins over Host (RFC 9112, 3.2.2).
            Target::Absolute { authority, rest } => {
                (self.origin_form(method, rest), Slice::locate(authority, self.text))
            }
        };
        Ok(())
    }

    /// What stands after the authority of an absolute target, as a target of its own (RFC 9112, 3.2.4).
    fn origin_form(&mut self, method: &[u8], rest: &[u8]) -> Slice {
        match rest {
            [b'/', ..] => Slice::locate(rest, self.text),
            [] if method == b"OPTIONS" => self.out.fields.append(b"*"),
            [] => self.out.fields.append(b"/"),
            query => {
                let slash = self.out.fields.append(b"/");
                let query = self.out.fields.append(query);
                Slice {
                    start: slash.start,
                    end: query.end,
                }
            }
        }
    }

    fn conclude(self, parsed: &httparse::Request<'_, '_>) -> Result<(), Refusal> {
        let Self {
            out, framing, options, ..
        } = self;
        framing.check(out.version)?;
        out.body = match framing.length {
            _ if framing.chunked => BodyKind::Chunked,
            Some(length) => BodyKind::Length(length),
            None => BodyKind::None,
        };
        let has_body = !matches!(out.body, BodyKind::None | BodyKind::Length(0));
        out.expect_continue &= has_body;
        out.keep_alive = options.persist(out.version);
        out.upgrade = options.upgrade
            && self.upgrades == 1
            && out.version == Version::Http11
            && !has_body
            && may_tunnel(out.upgrade_token());
        if options.nominates {
            out.fields
                .retain(|field| !field.known.may_be_nominated() || !is_nominated(parsed.headers, field.name));
        }
        Ok(())
    }
}

/// Whether `Upgrade` names one protocol, with or without a version: of a list we would have to pass on a choice that
/// nobody checks. HTTP in a tunnel would pass everything that comes behind it unseen (RFC 9113 has withdrawn h2c).
fn may_tunnel(protocol: &[u8]) -> bool {
    let mut parts = protocol.split(|byte| *byte == b'/');
    let name = parts.next().unwrap_or_default();
    let http = [&b"h2c"[..], b"h2", b"http"];
    is_token(name)
        && parts.next().is_none_or(is_token)
        && parts.next().is_none()
        && !http.iter().any(|http| name.eq_ignore_ascii_case(http))
}

fn asks_for_trailers(value: &[u8]) -> bool {
    elements(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

fn is_nominated(headers: &[httparse::Header<'_>], name: &[u8]) -> bool {
    headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case("connection"))
        .any(|header| nominates(header.value, name))
}
