//! An app server's response head. The server is not trusted: what cannot be read in one way only is refused.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Status};

use super::{
    Fault, Framing, HeadLimits, Lines, MOST_FIELDS, Options, Version, check_unfinished, nominates, places,
    refusal::BadResponse,
};
use crate::http::fields::{Field, Known, classify};

/// What the framing of a response depends on in its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResponseTo {
    /// It was a HEAD: no body follows whatever the fields say.
    pub head: bool,
    /// It asked to change the protocol: a 101 is acceptable.
    pub upgrade: bool,
}

/// How a response's body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseBody {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

/// A response's head, borrowed from the buffer it was read into.
#[derive(Debug)]
pub struct ResponseHead<'a> {
    pub version: Version,
    /// 100 to 599.
    pub status: u16,
    /// May be empty.
    pub reason: &'a [u8],
    pub body: ResponseBody,
    /// What `Content-Length` says, also where no body follows (HEAD, 304).
    pub content_length: Option<u64>,
    /// Whether the connection can carry another request.
    pub keep_alive: bool,
    /// The protocol that a 101 changes to.
    pub upgrade: Option<&'a [u8]>,
    text: &'a [u8],
    headers: &'a [Header<'a>],
    kinds: &'a [Known],
}

impl<'a> ResponseHead<'a> {
    /// The end-to-end fields; framing and hop-by-hop ones are left out.
    #[inline]
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let text = self.text;
        self.headers
            .iter()
            .zip(self.kinds)
            .filter(|(_, known)| is_end_to_end(**known))
            .map(move |(header, known)| {
                let (name, value) = places(header, text);
                Field::found(text, *known, name, value)
            })
    }

    /// Whether it is an interim response, another head follows (101 is final: HTTP ends with it).
    pub fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
}

/// `Connection` stands for whatever it nominates: `read` has put it in the place of the field's own kind.
fn is_end_to_end(known: Known) -> bool {
    !known.is_hop_by_hop() && known != Known::ContentLength
}

/// Reads the response head at the start of `input` and shows it to `visit`.
///
/// `Ok(None)` means that more bytes are needed, else the head is the first so many bytes. Its parts lie in `input` and
/// on the stack, which is why it cannot be returned.
///
/// ```
/// # use headrace_core::http::head::{HeadLimits, ResponseTo, parse_response};
/// let input = b"HTTP/1.1 204 No Content\r\nServer: mill\r\n\r\n";
/// let status = parse_response(input, &HeadLimits::default(), ResponseTo::default(), |head| head.status);
/// assert_eq!(status, Ok(Some((input.len(), 204))));
/// ```
pub fn parse_response<R>(
    input: &[u8],
    limits: &HeadLimits,
    to: ResponseTo,
    visit: impl FnOnce(&ResponseHead<'_>) -> R,
) -> Result<Option<(usize, R)>, BadResponse> {
    // The parser would skip empty lines; a server that sends them has lost count of its bytes.
    if matches!(input, [b'\r' | b'\n', ..]) {
        return Err(BadResponse("an empty line comes before the status line"));
    }
    let mut slots = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let slots = slots.get_mut(..limits.count.min(MOST_FIELDS)).unwrap_or_default();
    let mut parsed = httparse::Response::new(&mut []);
    let status = ParserConfig::default()
        .parse_response_with_uninit_headers(&mut parsed, input, slots)
        .map_err(Fault::from)?;
    let Status::Complete(length) = status else {
        check_unfinished(input, limits)?;
        return Ok(None);
    };
    let text = input.get(..length).unwrap_or_default();
    let mut kinds = [Known::Other; MOST_FIELDS];
    let reader = Reader {
        text,
        limits,
        framing: Framing::default(),
        options: Options::default(),
        upgrade: None,
    };
    let head = reader.read(&parsed, &mut kinds, to)?;
    Ok(Some((length, visit(&head))))
}

/// Turns what `httparse` found in `text` into a [`ResponseHead`].
struct Reader<'a> {
    text: &'a [u8],
    limits: &'a HeadLimits,
    framing: Framing,
    options: Options,
    upgrade: Option<&'a [u8]>,
}

impl<'a> Reader<'a> {
    fn read(
        mut self,
        parsed: &'a httparse::Response<'_, 'a>,
        kinds: &'a mut [Known],
        to: ResponseTo,
    ) -> Result<ResponseHead<'a>, BadResponse> {
        let mut lines = Lines::new(self.text, self.limits);
        for (header, kind) in parsed.headers.iter().zip(&mut *kinds) {
            lines.starts(places(header, self.text).0.start as usize)?;
            *kind = classify(header.name.as_bytes());
            self.field(*kind, header.value)?;
        }
        lines.end(self.text.len())?;
        let version = Version::of(parsed.version);
        self.framing.check(version)?;
        if self.options.nominates {
            mark_nominated(parsed.headers, kinds);
        }
        let status = parsed.code.unwrap_or_default();
        self.check_status(version, status, to)?;
        let body = self.body(status, to);
        Ok(ResponseHead {
            version,
            status,
            reason: parsed.reason.unwrap_or_default().as_bytes(),
            body,
            content_length: self.framing.length,
            keep_alive: self.keeps_alive(version, status, body),
            upgrade: self.upgrade.filter(|_| status == 101),
            text: self.text,
            headers: parsed.headers,
            kinds,
        })
    }

    #[inline]
    fn field(&mut self, known: Known, value: &'a [u8]) -> Result<(), Fault> {
        match known {
            Known::ContentLength => self.framing.length(value, true),
            Known::TransferEncoding => self.framing.coding(value),
            Known::Connection => self.options.read(value),
            Known::Upgrade => {
                self.upgrade = Some(value);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn check_status(&self, version: Version, status: u16, to: ResponseTo) -> Result<(), BadResponse> {
        let framed = self.framing.chunked || self.framing.length.is_some_and(|length| length > 0);
        match status {
            101 if !to.upgrade => Err(BadResponse("101 to a request that did not ask for it")),
            101 if version != Version::Http11 || self.upgrade.is_none() => Err(BadResponse("101 without Upgrade")),
            100..200 if framed => Err(BadResponse("an interim response with a body")),
            100..600 => Ok(()),
            _ => Err(BadResponse("the status is not between 100 and 599")),
        }
    }

    /// RFC 9112, 6.3.
    fn body(&self, status: u16, to: ResponseTo) -> ResponseBody {
        match self.framing.length {
            _ if to.head || matches!(status, 100..200 | 204 | 304) => ResponseBody::None,
            _ if self.framing.chunked => ResponseBody::Chunked,
            Some(length) => ResponseBody::Length(length),
            None => ResponseBody::UntilClose,
        }
    }

    fn keeps_alive(&self, version: Version, status: u16, body: ResponseBody) -> bool {
        // A 204 must not announce a body (RFC 9110, 8.6); a server that does may well send it.
        let doubtful = status == 204 && (self.framing.chunked || self.framing.length.is_some_and(|length| length > 0));
        self.options.persist(version) && body != ResponseBody::UntilClose && !doubtful
    }
}

/// Gives the fields that a `Connection` names its own kind, so that they are not passed on.
fn mark_nominated(headers: &[Header<'_>], kinds: &mut [Known]) {
    let connections = || {
        headers
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case("connection"))
    };
    for (header, kind) in headers.iter().zip(kinds) {
        let named = || connections().any(|connection| nominates(connection.value, header.name.as_bytes()));
        if kind.may_be_nominated() && named() {
            *kind = Known::Connection;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        line: 100,
        bytes: 400,
        count: 5,
    };
    const TO_GET: ResponseTo = ResponseTo {
        head: false,
        upgrade: false,
    };
    const TO_HEAD: ResponseTo = ResponseTo {
        head: true,
        upgrade: false,
    };
    const TO_UPGRADE: ResponseTo = ResponseTo {
        head: false,
        upgrade: true,
    };

    /// Status, body, whether the connection lasts, and the fields as they are written.
    type Seen = (u16, ResponseBody, bool, String);

    fn parse(input: &str, to: ResponseTo) -> Result<Option<(usize, Seen)>, BadResponse> {
        parse_response(input.as_bytes(), &LIMITS, to, |head| {
            let mut out = BytesMut::new();
            head.fields().for_each(|field| field.write(&mut out));
            (
                head.status,
                head.body,
                head.keep_alive,
                String::from_utf8_lossy(&out).into_owned(),
            )
        })
    }

    fn accepted(input: &str, to: ResponseTo) -> Seen {
        let (length, seen) = parse(input, to).expect(input).expect(input);
        assert_eq!(length, input.len());
        seen
    }

    #[test]
    fn a_response_is_taken_apart() {
        let input = "HTTP/1.1 200 OK\r\nServer:mill\r\nSet-Cookie: a\r\nContent-Length: 5\r\nSet-Cookie: b\r\n\r\n";
        let fields = "Server: mill\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n";
        assert_eq!(
            accepted(input, TO_GET),
            (200, ResponseBody::Length(5), true, fields.to_owned())
        );
    }

    #[test]
    fn bodies_are_framed_by_status_request_and_fields() {
        for (start, lines, to, body) in [
            ("1.1 200 OK", "", TO_GET, ResponseBody::UntilClose),
            ("1.0 200 OK", "", TO_GET, ResponseBody::UntilClose),
            ("1.1 200 OK", "Content-Length: 0\r\n", TO_GET, ResponseBody::Length(0)),
            (
                "1.1 200 OK",
                "Content-Length: 7\r\nContent-Length: 7\r\n",
                TO_GET,
                ResponseBody::Length(7),
            ),
            (
                "1.1 200 OK",
                "Transfer-Encoding: Chunked\r\n",
                TO_GET,
                ResponseBody::Chunked,
            ),
            (
                "1.1 200 OK",
                "Transfer-Encoding: chunked\r\n",
                TO_HEAD,
                ResponseBody::None,
            ),
            ("1.1 200 OK", "Content-Length: 7\r\n", TO_HEAD, ResponseBody::None),
            ("1.1 204 No Content", "", TO_GET, ResponseBody::None),
            (
                "1.1 304 Not Modified",
                "Content-Length: 7\r\n",
                TO_GET,
                ResponseBody::None,
            ),
            ("1.1 103 Early Hints", "Link: a\r\n", TO_GET, ResponseBody::None),
            (
                "1.1 101 Switching",
                "Connection: upgrade\r\nUpgrade: websocket\r\n",
                TO_UPGRADE,
                ResponseBody::None,
            ),
        ] {
            let input = format!("HTTP/{start}\r\n{lines}\r\n");
            assert_eq!(accepted(&input, to).1, body, "{input}");
        }
    }

    #[test]
    fn the_length_is_told_where_no_body_follows() {
        let input = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
        let told = parse_response(input, &LIMITS, TO_HEAD, |head| head.content_length);
        assert_eq!(told, Ok(Some((input.len(), Some(7)))));
    }

    #[test]
    fn a_connection_lasts_when_the_end_of_the_response_is_certain() {
        for (start, lines, keep_alive) in [
            ("1.1 200 OK", "Content-Length: 1\r\n", true),
            ("1.1 200 OK", "Content-Length: 1\r\nConnection: close\r\n", false),
            ("1.1 200 OK", "", false),
            ("1.1 200 OK", "Connection: keep-alive\r\n", false),
            ("1.0 200 OK", "Content-Length: 1\r\n", false),
            ("1.0 200 OK", "Content-Length: 1\r\nConnection: keep-alive\r\n", true),
            ("1.1 204 No Content", "", true),
            ("1.1 204 No Content", "Content-Length: 3\r\n", false),
            ("1.1 204 No Content", "Transfer-Encoding: chunked\r\n", false),
        ] {
            let input = format!("HTTP/{start}\r\n{lines}\r\n");
            assert_eq!(accepted(&input, TO_GET).2, keep_alive, "{input}");
        }
    }

    #[test]
    fn hop_by_hop_fields_end_here() {
        let input = "HTTP/1.1 200 OK\r\nConnection: X-Hop, date\r\nX-Hop: 1\r\nDate: now\r\nKeep-Alive: 5\r\n\r\n";
        assert_eq!(accepted(input, TO_GET).3, "Date: now\r\n");
    }

    #[test]
    fn an_upgrade_names_its_protocol() {
        let input = b"HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: websocket\r\nX-A: b\r\n\r\n";
        let seen = parse_response(input, &LIMITS, TO_UPGRADE, |head| {
            (
                head.upgrade.map(<[u8]>::to_vec),
                head.is_interim(),
                head.fields().count(),
            )
        });
        assert_eq!(seen, Ok(Some((input.len(), (Some(b"websocket".to_vec()), false, 1)))));
    }

    #[test]
    fn a_reason_may_be_missing() {
        for line in ["HTTP/1.1 404", "HTTP/1.1 404 ", "HTTP/1.1 404 Not Here (yet)"] {
            assert_eq!(accepted(&format!("{line}\r\n\r\n"), TO_GET).0, 404, "{line:?}");
        }
    }

    #[test]
    fn malformed_responses_are_refused() {
        for input in [
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
            "\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\n\r\n",
            "HTTP/1.1 200 OK\r\n\n",
            "HTTP/1.1 200 OK\r\nA: b\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1  200 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/1.1 600 OK\r\n\r\n",
            "HTTP/1.1 -20 OK\r\n\r\n",
            "HTTP/1.1 abc OK\r\n\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1\r\n\r\n",
            "ICY 200 OK\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "<html>",
        ] {
            assert!(parse(input, TO_UPGRADE).is_err(), "{input:?}");
        }
    }

    #[test]
    fn contradictory_responses_are_refused() {
        for (start, lines) in [
            ("1.1 200 OK", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            ("1.1 200 OK", "Content-Length: 5\r\nContent-Length: 6\r\n"),
            ("1.1 200 OK", "Content-Length: 5, 5\r\n"),
            ("1.1 200 OK", "Content-Length: -1\r\n"),
            ("1.1 200 OK", "Transfer-Encoding: gzip, chunked\r\n"),
            ("1.1 200 OK", "Transfer-Encoding: gzip\r\n"),
            (
                "1.1 200 OK",
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            ),
            ("1.0 200 OK", "Transfer-Encoding: chunked\r\n"),
            ("1.1 100 Continue", "Content-Length: 5\r\n"),
            ("1.1 103 Early Hints", "Transfer-Encoding: chunked\r\n"),
            ("1.1 101 Switching", "Connection: upgrade\r\nUpgrade: websocket\r\n"),
        ] {
            let input = format!("HTTP/{start}\r\n{lines}\r\n");
            assert!(parse(&input, TO_GET).is_err(), "{input:?}");
        }
        assert!(parse("HTTP/1.1 101 Switching\r\n\r\n", TO_UPGRADE).is_err());
        assert!(parse("HTTP/1.0 101 Switching\r\nUpgrade: a\r\n\r\n", TO_UPGRADE).is_err());
    }

    #[test]
    fn sizes_are_limited_before_the_end_too() {
        let long = "a".repeat(110);
        for input in [
            format!("HTTP/1.1 200 {long}"),
            format!("HTTP/1.1 200 OK\r\nA: {long}"),
            format!("HTTP/1.1 200 OK\r\nA: {long}\r\n\r\n"),
            format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(6)),
            format!("HTTP/1.1 200 OK\r\n{}", format!("A: {}\r\n", "b".repeat(97)).repeat(4)),
        ] {
            assert!(parse(&input, TO_GET).is_err(), "{input:?}");
        }
    }

    #[test]
    fn a_head_in_parts_is_waited_for() {
        let input = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\n";
        for end in 0..input.len() {
            assert_eq!(parse(&input[..end], TO_GET), Ok(None), "{end}");
        }
    }
}
