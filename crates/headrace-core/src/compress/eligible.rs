//! Which responses are compressed: whole ones, that become notably shorter by it and may be changed.

use super::accept::is_no_transform;
use crate::http::fields::Known;

/// The least length that is worth it (Traefik).
pub const MIN_LENGTH: u64 = 1024;

/// Subtypes that shrink, beside all of `text/` and those with a suffix that does.
const APPLICATION: [&[u8]; 21] = [
    b"ecmascript",
    b"javascript",
    b"json",
    b"json-seq",
    b"jsonl",
    b"ndjson",
    b"rtf",
    b"sql",
    b"toml",
    b"vnd.apple.mpegurl",
    b"vnd.ms-fontobject",
    b"wasm",
    b"x-font-opentype",
    b"x-font-ttf",
    b"x-javascript",
    b"x-ndjson",
    b"x-yaml",
    b"xml",
    b"xml-dtd",
    b"yaml",
    b"x-sh",
];
const FONT: [&[u8]; 4] = [b"eot", b"otf", b"sfnt", b"ttf"];
const IMAGE: [&[u8]; 3] = [b"bmp", b"vnd.microsoft.icon", b"x-icon"];
const SUFFIXES: [&[u8]; 4] = [b"json", b"xml", b"text", b"yaml"];

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
            Known::ContentType => {
                kinds += 1;
                !shrinks(value)
            }
            Known::ContentEncoding | Known::ContentRange => true,
            Known::CacheControl => is_no_transform(value),
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
///
/// Never events, each of which leaves as it comes, and which some clients read only plain; nor gRPC, which frames and compresses
/// by itself.
fn shrinks(kind: &[u8]) -> bool {
    let end = memchr::memchr(b';', kind).unwrap_or(kind.len());
    let kind = kind.get(..end).unwrap_or_default().trim_ascii();
    let slash = memchr::memchr(b'/', kind).unwrap_or(kind.len());
    let (top, rest) = kind.split_at(slash);
    let sub = rest.get(1..).unwrap_or_default();
    let is_grpc = || sub.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"grpc"));
    let suffix = memchr::memrchr(b'+', sub).and_then(|at| sub.get(at + 1..));
    let has_suffix = suffix.is_some_and(|suffix| is_one_of(&SUFFIXES, suffix));
    match top.len() {
        4 if top.eq_ignore_ascii_case(b"text") => !sub.is_empty() && !sub.eq_ignore_ascii_case(b"event-stream"),
        4 if top.eq_ignore_ascii_case(b"font") => is_one_of(&FONT, sub),
        5 if top.eq_ignore_ascii_case(b"image") => has_suffix || is_one_of(&IMAGE, sub),
        11 if top.eq_ignore_ascii_case(b"application") => (has_suffix || is_one_of(&APPLICATION, sub)) && !is_grpc(),
        _ => has_suffix,
    }
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
            ("text/", false),
            ("model/gltf+json", true),
            ("image/x-icon", true),
            ("Application/Wasm ; x=y", true),
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
