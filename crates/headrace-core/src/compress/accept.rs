//! Which coding a request gets (RFC 9110, 12.5.3).
//!
//! Of those that are accepted ours comes first that we prefer, whatever their weights, as Traefik and Caddy do it: browsers give
//! none, and requests that accept the same share what a cache stores. `*` stands for gzip, which everybody knows; the others must
//! be named.

use super::Coding;
use crate::http::{
    fields::{Known, elements},
    head::{Request, Version},
};

/// The coding in which a response to `request` may leave; `None`: as it is.
///
/// Parts are parts of what is not coded, `no-transform` asks for what the server says (RFC 9111, 5.2.1.6), and HTTP/1.0 cannot be
/// told a body without its length but by the connection's end.
pub fn wanted(request: &Request) -> Option<Coding> {
    let fields = request.fields();
    let untouched = fields.iter().any(|field| match field.known {
        Known::Range => true,
        Known::CacheControl => is_no_transform(field.value),
        _ => false,
    });
    if untouched || request.version == Version::Http10 {
        return None;
    }
    let lines = fields.iter().filter(|field| field.known == Known::AcceptEncoding);
    accepted(lines.map(|field| field.value))
}

/// Whether a `Cache-Control` has `no-transform`.
pub(super) fn is_no_transform(control: &[u8]) -> bool {
    elements(control).any(|directive| directive.eq_ignore_ascii_case(b"no-transform"))
}

/// The coding that the lines of an `Accept-Encoding` come to.
///
/// ```
/// # use headrace_core::compress::{Coding, accepted};
/// assert_eq!(accepted([&b"gzip, deflate, br;q=0.1"[..]].into_iter()), Some(Coding::Brotli));
/// assert_eq!(accepted([&b"gzip;q=0"[..]].into_iter()), None);
/// ```
pub fn accepted<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<Coding> {
    let (mut named, mut refused) = (0u8, 0u8);
    for element in lines.flat_map(elements) {
        let (coding, parameters) = match memchr::memchr(b';', element) {
            Some(at) => element.split_at(at),
            None => (element, b"".as_slice()),
        };
        match is_refused(parameters) {
            true => refused |= bit(coding.trim_ascii_end()),
            false => named |= bit(coding.trim_ascii_end()),
        }
    }
    if named & ANY != 0 {
        named |= 1 << Coding::Gzip as u8;
    }
    Coding::ALL
        .into_iter()
        .find(|coding| named & !refused & 1 << *coding as u8 != 0)
}

/// The bit of `*`, beside those of the codings.
const ANY: u8 = 1 << Coding::ALL.len();

fn bit(name: &[u8]) -> u8 {
    if name == b"*" {
        return ANY;
    }
    // The name of old (RFC 9110, 8.4.1.3).
    let name = if name.eq_ignore_ascii_case(b"x-gzip") {
        b"gzip"
    } else {
        name
    };
    let mut known = Coding::ALL.into_iter();
    let coding = known.find(|coding| coding.name().as_bytes().eq_ignore_ascii_case(name));
    coding.map_or(0, |coding| 1 << coding as u8)
}

/// Whether `;q=0`, or `; q=0.0` and so on, follows a coding: that it is not acceptable.
pub fn is_refused(parameters: &[u8]) -> bool {
    let mut parts = parameters.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    parts.any(|part| match part.split_first_chunk() {
        Some((b"q=" | b"Q=", weight)) => !weight.is_empty() && weight.iter().all(|byte| matches!(byte, b'0' | b'.')),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_12_5_3_the_first_of_ours_that_is_accepted_is_taken() {
        use Coding::{Brotli, Gzip, Zstd};
        for (line, coding) in [
            ("", None),
            ("gzip, deflate, br, zstd", Some(Zstd)),
            ("zstd, gzip", Some(Zstd)),
            ("gzip, deflate, br", Some(Brotli)),
            ("gzip;q=1.0, br;q=0.1", Some(Brotli)),
            ("gzip, deflate", Some(Gzip)),
            ("X-GZIP", Some(Gzip)),
            ("GZip ; Q=0.5", Some(Gzip)),
            ("deflate, identity", None),
            ("gzip;q=0", None),
            ("gzip; q=0.000, br", Some(Brotli)),
            ("gzip;q=0.001", Some(Gzip)),
            ("gzip, gzip;q=0", None),
            ("*", Some(Gzip)),
            ("*;q=0", None),
            ("gzip;q=0, *", None),
            ("br;q=0, *;q=0.1", Some(Gzip)),
            ("identity;q=0, gzip", Some(Gzip)),
            ("identity;q=0", None),
            ("gzipped, zstd2, b", None),
            (",, gzip ,", Some(Gzip)),
            ("gzip;q=", Some(Gzip)),
        ] {
            assert_eq!(accepted([line.as_bytes()].into_iter()), coding, "{line}");
        }
        assert_eq!(accepted([&b"gzip"[..], b"br"].into_iter()), Some(Brotli));
        assert_eq!(accepted(std::iter::empty()), None);
    }

    #[test]
    fn requests_that_want_it_as_it_is_get_it_so() {
        let asked = |version, fields: &[(&str, &str)]| {
            let mut request = Request::new();
            request.begin(version, b"GET", b"/", b"a");
            for (name, value) in [("Accept-Encoding", "gzip")].iter().chain(fields) {
                request.fields_mut().push(name.as_bytes(), value.as_bytes());
            }
            wanted(&request)
        };
        assert_eq!(asked(Version::Http11, &[]), Some(Coding::Gzip));
        assert_eq!(
            asked(Version::Http2, &[("Cache-Control", "no-cache")]),
            Some(Coding::Gzip)
        );
        assert_eq!(asked(Version::Http10, &[]), None);
        assert_eq!(asked(Version::Http11, &[("Range", "bytes=0-1")]), None);
        assert_eq!(
            asked(Version::Http11, &[("Cache-Control", "max-age=0, No-Transform")]),
            None
        );
    }
}
