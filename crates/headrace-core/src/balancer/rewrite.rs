//! Heads as they are written anew: the request's towards the server, the response's fields towards the client.
//!
//! Nothing of the client's framing or of its forwarded fields gets through: they are written from what was understood.

use std::borrow::Cow;

use bytes::BytesMut;

use super::options::Options;
use crate::http::{
    exchange::Peer,
    fields::{Field, Known, write_field},
    head::{BodyKind, Request, ResponseHead, Version, write_decimal},
};

/// How a request reaches its server, beside what it says itself.
pub(super) struct Hop<'a> {
    pub(super) peer: &'a Peer,
    pub(super) options: &'a Options,
    /// Two random numbers: a request id where none is kept.
    pub(super) id: [u64; 2],
}

impl Hop<'_> {
    /// What `X-Request-Id` says to the server.
    pub(super) fn request_id<'a>(&self, request: &'a Request) -> Cow<'a, [u8]> {
        let kept = request.fields().known(Known::XRequestId);
        match kept.filter(|_| self.options.trusts(self.peer.ip)) {
            Some(kept) => Cow::Borrowed(kept),
            None => Cow::Owned(id_text(self.id).to_vec()),
        }
    }
}

pub(super) fn write_request(out: &mut BytesMut, request: &Request, hop: &Hop<'_>) {
    let trusted = !hop.options.trusted.is_empty() && hop.options.trusts(hop.peer.ip);
    let mut prior = Prior::default();
    request.write_start(out);
    write_field(out, b"Host", request.authority());
    request.fields().write_where(out, |field| match field.known {
        Known::Disguised => false,
        Known::XForwardedOther => trusted,
        Known::XForwardedFor
        | Known::XForwardedProto
        | Known::XForwardedHost
        | Known::XRequestId
        | Known::Forwarded => {
            if trusted {
                prior.keep(field);
            }
            false
        }
        _ => true,
    });
    write_framing(out, request);
    write_forwarded(out, request, hop, &prior);
    if let Some(via) = &hop.options.via {
        write_via(out, request.version, &via.pseudonym);
    }
    out.extend_from_slice(b"\r\n");
}

/// What a trusted hop before us said.
#[derive(Default)]
struct Prior<'a> {
    /// Of every `X-Forwarded-For` line, in order.
    addresses: Vec<&'a [u8]>,
    scheme: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
    forwarded: Option<&'a [u8]>,
}

impl<'a> Prior<'a> {
    fn keep(&mut self, field: Field<'a>) {
        let slot = match field.known {
            Known::XForwardedFor => return self.addresses.push(field.value),
            Known::XForwardedProto => &mut self.scheme,
            Known::XForwardedHost => &mut self.host,
            Known::XRequestId => &mut self.id,
            _ => &mut self.forwarded,
        };
        *slot = Some(field.value);
    }
}

fn write_framing(out: &mut BytesMut, request: &Request) {
    match request.body {
        BodyKind::None => {}
        BodyKind::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            write_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        BodyKind::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
    if request.expect_continue {
        out.extend_from_slice(b"Expect: 100-continue\r\n");
    }
    match (request.upgrade, request.trailers_ok) {
        (true, _) => {
            out.extend_from_slice(b"Connection: Upgrade\r\n");
            write_field(out, b"Upgrade", request.upgrade_token());
        }
        (false, true) => out.extend_from_slice(b"Connection: TE\r\nTE: trailers\r\n"),
        (false, false) => {}
    }
}

fn write_forwarded(out: &mut BytesMut, request: &Request, hop: &Hop<'_>, prior: &Prior<'_>) {
    let peer = hop.peer;
    let scheme: &[u8] = if peer.secure { b"https" } else { b"http" };
    out.extend_from_slice(b"X-Forwarded-For: ");
    for addresses in &prior.addresses {
        out.extend_from_slice(addresses);
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(peer.ip_text.as_bytes());
    out.extend_from_slice(b"\r\n");
    write_field(out, b"X-Forwarded-Proto", prior.scheme.unwrap_or(scheme));
    write_field(out, b"X-Forwarded-Host", prior.host.unwrap_or(request.authority()));
    match prior.id {
        Some(id) => write_field(out, b"X-Request-Id", id),
        None => write_id(out, hop.id),
    }
    if hop.options.forwarded {
        write_rfc7239(out, request, peer, scheme, prior.forwarded);
    }
}

fn write_id(out: &mut BytesMut, id: [u64; 2]) {
    write_field(out, b"X-Request-Id", &id_text(id));
}

#[inline]
fn id_text(id: [u64; 2]) -> [u8; 32] {
    let mut bytes = [0; 16];
    for (into, word) in bytes.chunks_exact_mut(8).zip(id) {
        into.copy_from_slice(&word.to_le_bytes());
    }
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[hexadecimal(byte >> 4), hexadecimal(byte & 15)]);
    }
    text
}

/// The digit of a number below 16; without a table, so that the processor does many at once.
fn hexadecimal(number: u8) -> u8 {
    number + if number < 10 { b'0' } else { b'a' - 10 }
}

/// RFC 7239; an IPv6 address is bracketed, and like the host quoted.
fn write_rfc7239(out: &mut BytesMut, request: &Request, peer: &Peer, scheme: &[u8], prior: Option<&[u8]>) {
    out.extend_from_slice(b"Forwarded: ");
    if let Some(prior) = prior {
        out.extend_from_slice(prior);
        out.extend_from_slice(b", ");
    }
    let address = match peer.ip.is_ipv6() {
        true => format!("for=\"[{}]\"", peer.ip_text),
        false => format!("for={}", peer.ip_text),
    };
    for part in [
        address.as_bytes(),
        b";host=\"",
        request.authority(),
        b"\";proto=",
        scheme,
        b"\r\n",
    ] {
        out.extend_from_slice(part);
    }
}

fn write_via(out: &mut BytesMut, version: Version, name: &str) {
    let version: &[u8] = match version {
        Version::Http10 => b"1.0 ",
        Version::Http11 => b"1.1 ",
        Version::Http2 => b"2 ",
    };
    for part in [b"Via: ", version, name.as_bytes(), b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// The fields of a server's response that reach the client, with what the options put in.
pub(super) fn response_fields<'a>(
    head: &ResponseHead<'a>,
    options: &'a Options,
) -> impl Iterator<Item = Field<'a>> + use<'a> {
    let replaced = options.server.is_some();
    let server = options
        .server
        .as_ref()
        .map(|name| Field::new(b"Server", name.as_bytes()));
    let via = options
        .via
        .as_ref()
        .map(|via| Field::new(b"Via", via.of_response.as_bytes()));
    head.fields()
        .filter(move |field| !(replaced && field.known == Known::Server))
        .chain(server)
        .chain(via)
}
