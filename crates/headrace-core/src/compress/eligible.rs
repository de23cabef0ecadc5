//! Which responses are compressed: whole ones, that become notably shorter by it and may be changed.

use super::accept::is_no_transform;
use crate::http::fields::Known;

/// The least length that is worth it (Traefik).
pub const MIN_LENGTH: u64 = 1024;

/// Media types beside `text/*` and those with a suffix that shrink, in lower case.
const TYPES: [&[u8]; 27] = [
    b"application/ecmascript",
    b"application/javascript",
    b"application/json",
    b"application/json-seq",
    b"application/jsonl",
    b"application/ndjson",
    b"application/rtf",
    b"application/sql",
    b"application/toml",
    b"application/vnd.apple.mpegurl",
    b"application/vnd.ms-fontobject",
    b"application/wasm",
    b"application/x-font-opentype",
    b"application/x-font-ttf",
    b"application/x-javascript",
    b"application/x-ndjson",
    b"application/x-yaml",
    b"application/xml",
    b"application/xml-dtd",
    b"application/yaml",
    b"font/eot",
    b"font/otf",
    b"font/sfnt",
    b"font/ttf",
    b"image/bmp",
    b"image/vnd.microsoft.icon",
    b"image/x-icon",
];
const SUFFIXES: [&[u8]; 4] = [b"+json", b"+xml", b"+text", b"+yaml"];
/// Each event leaves as it comes, and some clients read only plain ones; gRPC frames and compresses by itself.
const NEVER: [&[u8]; 2] = [b"text/event-stream", b"application/grpc"];

/// Fields that speak about the very bytes of the body (RFC 9530, RFC 3230, RFC 1864).
const DIGESTS: [&[u8]; 4] = [b"content-digest", b"repr-digest", b"digest", b"content-md5"];

/// Whether a response with this status, length if it is known, and these fields is to be compressed for who accepts it.
pub fn is_eligible<'a>(
    status: u16,
    length: Option<u64>,
    fields: impl Iterator<Item = (Known, &'a [u8], &'a [u8])>,
) -> bool {
    if !(200..600).contains(&status) || matches!(status, 204..=206 | 304) || length.is_some_and(|l| l < MIN_LENGTH) {
        return false;
    }
    let mut kinds = 0;
    for (known, name, value) in fields {
        let refuses = match known {
            Known::ContentEncoding | Known::ContentRange => true,
            Known::CacheControl => is_no_transform(value),
            Known::ContentType => {
                kinds += 1;
                !shrinks(value)
            }
            Known::Other => is_one_of(&DIGESTS, name),
            _ => false,
        };
        if refuses {
            return false;
        }
    }
    kinds == 1
}

/// Whether bodies of a media type shrink (RFC 9110, 8.3.1: the same in any case, parameters may follow).
fn shrinks(kind: &[u8]) -> bool {
    let end = memchr::memchr(b';', kind).unwrap_or(kind.len());
    let kind = kind.get(..end).unwrap_or_default().trim_ascii();
    let begins = |with: &[u8]| {
        kind.get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    let ends = |with: &&[u8]| {
        let at = kind.len().checked_sub(with.len());
        at.and_then(|at| kind.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(with))
    };
    !NEVER.iter().any(|never| begins(never))
        && (begins(b"text/") || is_one_of(&TYPES, kind) || SUFFIXES.iter().any(ends))
}

fn is_one_of(names: &[&[u8]], name: &[u8]) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::{super::super::http::fields::classify, *};

    fn eligible(status: u16, length: Option<u64>, fields: &[(&str, &str)]) -> bool {
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        is_eligible(
            status,
            length,
            fields.map(|(name, value)| (classify(name), name, value)),
        )
    }

    #[test]
    fn media_types_that_shrink_are_told_from_others() {
        for (kind, is) in [
            ("text/html", true),
            ("text/html; charset=utf-8", true),
            ("TEXT/CSS", true),
            ("application/json", true),
            ("Application/LD+JSON;profile=x", true),
            ("application/manifest+json", true),
            ("image/svg+xml", true),
            ("application/wasm", true),
            ("application/x-ndjson", true),
            ("font/ttf", true),
            ("text/event-stream", false),
            ("Text/Event-Stream; charset=utf-8", false),
            ("application/grpc", false),
            ("application/grpc-web+json", false),
            ("font/woff2", false),
            ("image/png", false),
            ("video/mp4", false),
            ("application/octet-stream", false),
            ("application/zip", false),
            ("application/jsonp2", false),
            ("text", false),
            ("", false),
        ] {
            assert_eq!(eligible(200, None, &[("Content-Type", kind)]), is, "{kind}");
        }
    }

    #[test]
    fn only_whole_responses_that_are_long_enough_are_compressed() {
        let html = [("Content-Type", "text/html")];
        for (status, length, is) in [
            (200, None, true),
            (200, Some(1023), false),
            (200, Some(1024), true),
            (404, Some(5000), true),
            (500, None, true),
            (103, None, false),
            (101, None, false),
            (204, None, false),
            (205, None, false),
            (206, Some(5000), false),
            (304, None, false),
        ] {
            assert_eq!(eligible(status, length, &html), is, "{status} {length:?}");
        }
        assert!(!eligible(200, None, &[]));
        assert!(!eligible(200, None, &[html[0], html[0]]));
    }

    #[test]
    fn what_must_not_be_changed_is_not() {
        for (name, value, is) in [
            ("Content-Encoding", "gzip", false),
            ("Content-Encoding", "identity", false),
            ("Content-Range", "bytes 0-1/5000", false),
            ("Cache-Control", "public, no-transform", false),
            ("Cache-Control", "public, max-age=9", true),
            ("Content-Digest", "sha-256=:x:", false),
            ("Repr-Digest", "sha-256=:x:", false),
            ("digest", "x", false),
            ("Content-MD5", "x", false),
            ("X-Digest", "x", true),
        ] {
            let fields = [("Content-Type", "text/html"), (name, value)];
            assert_eq!(eligible(200, None, &fields), is, "{name}: {value}");
        }
    }
}
