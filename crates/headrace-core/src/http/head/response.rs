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

    /// All fields, each as what it means, its name and its value: for who only reads them. Hop-by-hop ones say so.
    #[inline]
    pub fn values(&self) -> impl Iterator<Item = (Known, &'a [u8], &'a [u8])> + use<'a> {
        let fields = self.headers.iter().zip(self.kinds);
        fields.map(|(header, known)| (*known, header.name.as_bytes(), header.value))
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
mod tests;
