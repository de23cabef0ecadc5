//! Requests that are nothing but a head and came in one piece, as most do.
//!
//! For readers outside the engine, which want the fields as they were sent and have a slower way for everything else: a
//! body, an upgrade, an end of the connection, HTTP/1.0, half a head, more than one, or what is no request at all.

use super::{BodyKind, HeadLimits, Request, Version, parse_request};

/// Parsers differ in which other methods they know.
const METHODS: [&[u8]; 7] = [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"];

/// Such a request; what is not here, `Request` tells.
#[derive(Debug)]
pub struct Bare<'a> {
    pub request: &'a Request,
    lines: &'a [u8],
}

impl<'a> Bare<'a> {
    /// The request that `input` is, or `None`. `request` is room to read it into.
    ///
    /// ```
    /// # use headrace_core::http::head::{Bare, HeadLimits, Request};
    /// let mut request = Request::new();
    /// let input = b"GET /posts HTTP/1.1\r\nHost: blog\r\nConnection: keep-alive\r\n\r\n";
    /// let bare = Bare::read(input, &HeadLimits::default(), &mut request).unwrap();
    /// assert_eq!(bare.request.target(), b"/posts");
    /// assert_eq!(bare.fields().next(), Some((&b"Host"[..], &b"blog"[..])));
    /// assert!(Bare::read(&input[..40], &HeadLimits::default(), &mut Request::new()).is_none());
    /// ```
    pub fn read(input: &'a [u8], limits: &HeadLimits, request: &'a mut Request) -> Option<Self> {
        let whole = parse_request(input, limits, request) == Ok(Some(input.len()));
        let ordinary = METHODS.contains(&request.method())
            && request.version == Version::Http11
            && request.body == BodyKind::None
            && request.keep_alive
            && request.upgrade_token().is_empty();
        // Neither an empty line before it nor a target that was rewritten.
        let origin = input.strip_prefix(request.method())?.starts_with(b" /");
        let first = memchr::memchr(b'\n', input)?;
        let lines = input.get(first + 1..input.len().checked_sub(2)?)?;
        (whole && ordinary && origin).then_some(Self { request, lines })
    }

    /// All fields in their order, names and values as they were sent, without the blanks around them.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        self.lines.split_inclusive(|byte| *byte == b'\n').filter_map(|line| {
            let (name, value) = line.split_at_checked(memchr::memchr(b':', line)?)?;
            Some((name, value.get(1..)?.trim_ascii()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &str) -> Option<Vec<(String, String)>> {
        let mut request = Request::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let bare = Bare::read(input.as_bytes(), &HeadLimits::default(), &mut request)?;
        Some(bare.fields().map(|(name, value)| (text(name), text(value))).collect())
    }

    #[test]
    fn all_fields_are_told_as_they_were_sent() {
        let fields = read("GET /a?b HTTP/1.1\r\nHost: a\r\nTE:trailers\r\nX-A:  b:c \r\nX_B:\r\n\r\n");
        let expected = [("Host", "a"), ("TE", "trailers"), ("X-A", "b:c"), ("X_B", "")];
        assert_eq!(
            fields,
            Some(expected.map(|(name, value)| (name.into(), value.into())).into())
        );
    }

    #[test]
    fn whatever_is_more_or_less_than_a_head_is_left_to_others() {
        for input in [
            "",
            "GET / HTTP/1.1\r\nHost: a\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\nG",
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n",
            "PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n",
        ] {
            assert_eq!(read(input), None, "{input:?}");
        }
    }
}
