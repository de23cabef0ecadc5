//! A client's request head.

use std::{fmt, mem::MaybeUninit};

use bytes::BytesMut;
use httparse::{ParserConfig, Status};
use memchr::memchr;

use super::{
    Fault, Framing, HeadLimits, Lines, MOST_FIELDS, Options, Version, check_unfinished, nominates, places,
    response::ResponseTo,
    target::{Target, is_authority, parse_target},
    write_field,
};
use crate::http::fields::{Fields, Known, Slice, classify, elements};

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

/// Why a request is not taken. The connection ends with the reply: where the next request starts is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    BadRequest(&'static str),
    HeadTooLarge(&'static str),
    TargetTooLong,
    ExpectationFailed,
}

impl Refusal {
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::TargetTooLong => 414,
            Self::ExpectationFailed => 417,
            Self::HeadTooLarge(_) => 431,
        }
    }

    /// The `error` of the JSON body.
    pub fn code(self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::TargetTooLong => "target_too_long",
            Self::ExpectationFailed => "expectation_failed",
            Self::HeadTooLarge(_) => "head_too_large",
        }
    }

    pub fn message(self) -> &'static str {
        match self {
            Self::BadRequest(reason) | Self::HeadTooLarge(reason) => reason,
            Self::TargetTooLong => "the request line is too long",
            Self::ExpectationFailed => "only Expect: 100-continue can be met",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Refusal {}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed(reason) => Self::BadRequest(reason),
            Fault::StartLineTooLong => Self::TargetTooLong,
            Fault::TooLarge(reason) => Self::HeadTooLarge(reason),
        }
    }
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

    /// Appends the request line and `Host`, as every HTTP/1.1 request towards a server starts.
    pub fn write_start(&self, out: &mut BytesMut) {
        for part in [self.method(), b" ", self.target(), b" HTTP/1.1\r\n"] {
            out.extend_from_slice(part);
        }
        write_field(out, b"host", self.authority());
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
        // One protocol or none: of a list we would have to pass on a choice that nobody checks.
        out.upgrade = options.upgrade && self.upgrades == 1 && out.version == Version::Http11 && !has_body;
        if options.nominates {
            out.fields
                .retain(|field| !field.known.may_be_nominated() || !is_nominated(parsed.headers, field.name));
        }
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        line: 100,
        bytes: 400,
        count: 5,
    };

    fn parse(input: &str) -> Result<Option<Request>, Refusal> {
        let mut request = Request::new();
        let length = parse_request(input.as_bytes(), &LIMITS, &mut request)?;
        Ok(length.map(|length| {
            assert_eq!(length, input.len());
            request
        }))
    }

    /// A complete, acceptable GET with these header lines.
    fn get(lines: &str) -> Request {
        let head = format!("GET / HTTP/1.1\r\nHost: blog\r\n{lines}\r\n");
        parse(&head).expect("accepted").expect("complete")
    }

    fn status_of(input: &str) -> u16 {
        parse(input).expect_err(input).status()
    }

    fn written(request: &Request) -> String {
        let mut out = BytesMut::new();
        request.write_start(&mut out);
        request.fields().iter().for_each(|field| field.write(&mut out));
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn a_request_is_taken_apart() {
        let request = parse("\r\nPOST /a/b?c=d?e HTTP/1.1\r\nhOST: Blog:80\r\nContent-Length: 5\r\nX-A:1 \r\n\r\n")
            .expect("accepted")
            .expect("complete");
        assert_eq!((request.method(), request.target()), (&b"POST"[..], &b"/a/b?c=d?e"[..]));
        assert_eq!((request.path(), request.authority()), (&b"/a/b"[..], &b"Blog:80"[..]));
        assert_eq!((request.version, request.body), (Version::Http11, BodyKind::Length(5)));
        assert!(request.keep_alive && !request.is_head() && !request.is_idempotent() && !request.upgrade);
        assert_eq!(
            written(&request),
            "POST /a/b?c=d?e HTTP/1.1\r\nhost: Blog:80\r\nX-A: 1\r\n"
        );
    }

    #[test]
    fn any_token_is_a_method() {
        for method in ["GET", "PROPFIND", "M-SEARCH", "get", "X!#$%&'*+-.^_`|~1"] {
            let request = parse(&format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"))
                .expect(method)
                .expect(method);
            assert_eq!(request.method(), method.as_bytes());
        }
    }

    #[test]
    fn absolute_targets_become_paths_and_win_over_host() {
        for (line, target) in [
            ("GET http://blog:1/a?b", "/a?b"),
            ("GET HTTP://blog:1", "/"),
            ("GET https://blog:1?b", "/?b"),
            ("OPTIONS http://blog:1", "*"),
        ] {
            let request = parse(&format!("{line} HTTP/1.1\r\nHost: other\r\n\r\n"))
                .expect(line)
                .expect(line);
            assert_eq!(
                (request.target(), request.authority()),
                (target.as_bytes(), &b"blog:1"[..]),
                "{line}"
            );
        }
    }

    #[test]
    fn a_connection_lasts_as_its_version_and_options_say() {
        for (version, lines, keep_alive) in [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: Keep-Alive, CLOSE\r\n", false),
            ("1.1", "Connection: x-a\r\nConnection: close\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: keep-alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
        ] {
            let request = parse(&format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n"));
            assert_eq!(
                request.expect(lines).expect(lines).keep_alive,
                keep_alive,
                "{version} {lines}"
            );
        }
    }

    #[test]
    fn http_1_0_needs_no_host() {
        let request = parse("GET / HTTP/1.0\r\n\r\n").expect("accepted").expect("complete");
        assert_eq!((request.version, request.authority()), (Version::Http10, &b""[..]));
    }

    #[test]
    fn hop_by_hop_fields_end_here() {
        let request = get("Connection: close, X-Hop, Cookie\r\nKeep-Alive: 5\r\nx-hop: 1\r\nCookie: a=b\r\n");
        assert_eq!(written(&request), "GET / HTTP/1.1\r\nhost: blog\r\nCookie: a=b\r\n");
        let request = get("TE: gzip, trailers\r\nProxy-Connection: close\r\nX_Forwarded_For: 1.1.1.1\r\nX-A: b\r\n");
        assert_eq!(written(&request), "GET / HTTP/1.1\r\nhost: blog\r\nX-A: b\r\n");
        assert!(request.trailers_ok && request.keep_alive);
    }

    #[test]
    fn what_is_known_cannot_be_nominated_away() {
        let request =
            get("Connection: X-Forwarded-For, authorization, host\r\nX-Forwarded-For: a\r\nAuthorization: b\r\n");
        assert_eq!(request.fields().len(), 2);
        assert_eq!(request.authority(), b"blog");
    }

    #[test]
    fn bodies_are_framed_by_length_or_chunks() {
        assert_eq!(get("").body, BodyKind::None);
        assert_eq!(get("Content-Length: 0\r\n").body, BodyKind::Length(0));
        assert_eq!(get("Content-Length:  0005 \r\n").body, BodyKind::Length(5));
        assert_eq!(
            get("Content-Length: 18446744073709551615\r\n").body,
            BodyKind::Length(u64::MAX)
        );
        assert_eq!(get("Transfer-Encoding: CHUNKED\r\n").body, BodyKind::Chunked);
    }

    #[test]
    fn expectations_are_met_or_refused() {
        assert!(get("Expect: 100-Continue\r\nContent-Length: 1\r\n").expect_continue);
        assert!(!get("Expect: 100-continue\r\n").expect_continue);
        assert_eq!(status_of("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n"), 417);
        let old = parse("POST / HTTP/1.0\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n").expect("accepted");
        assert!(!old.expect("complete").expect_continue);
    }

    #[test]
    fn an_upgrade_is_one_protocol_and_no_body() {
        let request = get("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n");
        assert!(request.upgrade && request.response_to().upgrade);
        assert_eq!(request.upgrade_token(), b"websocket");
        assert!(request.fields().is_empty());
        assert!(!get("Upgrade: websocket\r\n").upgrade);
        assert!(!get("Connection: upgrade\r\n").upgrade);
        assert!(!get("Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n").upgrade);
        assert!(!get("Connection: upgrade\r\nUpgrade: a\r\nContent-Length: 1\r\n").upgrade);
        let old = parse("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n").expect("accepted");
        assert!(!old.expect("complete").upgrade);
    }

    #[test]
    fn malformed_requests_are_refused() {
        for start in [
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
            "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
            " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\r\n\r\n",
            "GET / HTTP/0.9\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            "GET / http/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /# HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://b@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\x16\x03\x01\x02",
        ] {
            assert_eq!(status_of(start), 400, "{start:?}");
        }
    }

    #[test]
    fn malformed_fields_are_refused() {
        for lines in [
            "Host: b\r\n",
            "A: b\n",
            "A: b\r\n\n",
            "A: b\rc\r\n",
            "A: b\r\n c\r\n",
            "A: b\r\n\tc\r\n",
            "A : b\r\n",
            "A\t: b\r\n",
            ": b\r\n",
            "A\r\n",
            "A: \0\r\n",
            "A: \x1b\r\n",
            "A: \x7f\r\n",
            "\u{e9}: b\r\n",
            "A\0: b\r\n",
            "A@: b\r\n",
        ] {
            let input = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
            assert_eq!(status_of(&input), 400, "{lines:?}");
        }
        for host in ["", " ", "a b", "a/b", "b@a", "a:b", "a:70000", "[::1", "a, b"] {
            assert_eq!(
                status_of(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")),
                400,
                "{host:?}"
            );
        }
    }

    #[test]
    fn ambiguous_framing_is_refused() {
        for lines in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: 5 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: -5\r\n",
            "Content-Length: 5.0\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: 5_0\r\n",
            "Content-Length: \"5\"\r\n",
            "Content-Length: five\r\n",
            "Content-Length: \r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Content-Length: 99999999999999999999999\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding: chunked;a=b\r\n",
            "Transfer-Encoding: \"chunked\"\r\n",
            "Transfer-Encoding: ,chunked\r\n",
            "Transfer-Encoding:\r\n",
        ] {
            let input = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
            assert_eq!(status_of(&input), 400, "{lines:?}");
        }
        assert_eq!(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
    }

    #[test]
    fn sizes_are_limited() {
        let long = "a".repeat(101);
        assert_eq!(status_of(&format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")), 414);
        assert_eq!(
            status_of(&format!("GET / HTTP/1.1\r\nHost: a\r\nA: {long}\r\n\r\n")),
            431
        );
        assert_eq!(
            status_of(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(5))),
            431
        );
        let line = format!("A: {}\r\n", "b".repeat(97));
        assert_eq!(
            status_of(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", line.repeat(4))),
            431
        );
        assert_eq!(get(&line.repeat(3)).fields().len(), 3);
        assert_eq!(get(&"A: b\r\n".repeat(4)).fields().len(), 4);
    }

    #[test]
    fn what_cannot_become_acceptable_is_refused_before_its_end() {
        let long = "a".repeat(110);
        assert_eq!(status_of(&format!("GET /{long}")), 414);
        assert_eq!(status_of(&format!("GET / HTTP/1.1\r\nA: {long}")), 431);
        assert_eq!(
            status_of(&format!(
                "GET / HTTP/1.1\r\n{}",
                format!("A: {}\r\n", "b".repeat(97)).repeat(4)
            )),
            431
        );
        assert_eq!(status_of("GET / HTTP/1.1\n"), 400);
        assert_eq!(status_of("GET / HTTP/1.1\r\nA: b\n"), 400);
    }

    #[test]
    fn too_many_connection_options_are_refused() {
        let options = "a,".repeat(MOST_OPTIONS_PLUS_ONE);
        assert_eq!(
            status_of(&format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {options}\r\n\r\n")),
            400
        );
    }

    const MOST_OPTIONS_PLUS_ONE: usize = super::super::MOST_OPTIONS + 1;

    #[test]
    fn a_head_in_parts_is_waited_for() {
        let input = "\r\nGET / HTTP/1.1\r\nHost: blog\r\nX-A: b\r\n\r\n";
        for end in 0..input.len() {
            assert!(parse(&input[..end]).expect("not refused").is_none(), "{end}");
        }
        assert!(parse(input).expect("accepted").is_some());
    }

    #[test]
    fn a_reused_request_remembers_nothing() {
        let mut request = Request::new();
        let first =
            b"PUT http://a/b HTTP/1.0\r\nExpect: 100-continue\r\nTE: trailers\r\nContent-Length: 1\r\nX: y\r\n\r\n";
        assert!(parse_request(first, &LIMITS, &mut request).is_ok());
        let second = b"GET / HTTP/1.1\r\nHost: c\r\n\r\n";
        assert!(parse_request(second, &LIMITS, &mut request).is_ok());
        assert_eq!(
            (request.method(), request.target(), request.authority()),
            (&b"GET"[..], &b"/"[..], &b"c"[..])
        );
        assert!(request.fields().is_empty() && !request.trailers_ok && request.body == BodyKind::None);
    }

    #[test]
    fn a_request_can_come_in_parts() {
        let mut request = Request::new();
        request.begin(Version::Http2, b"PUT", b"/a", b"blog");
        request.fields_mut().push(b"x-a", b"b");
        assert_eq!(written(&request), "PUT /a HTTP/1.1\r\nhost: blog\r\nx-a: b\r\n");
        assert!(request.is_idempotent() && !request.is_safe());
    }
}
