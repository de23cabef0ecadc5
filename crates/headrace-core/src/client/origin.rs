//! Where requests go: an address, how it is verified, and how it is named in a request.

use bytes::BytesMut;

use super::Request;
use crate::{
    error::Error,
    http::head::write_field,
    net::{address::Address, tls::ClientTls},
};

/// Scheme, host and port of a URL.
#[derive(Clone)]
pub struct Origin {
    pub(crate) address: Address,
    pub(crate) tls: Option<ClientTls>,
    pub(crate) authority: String,
    /// What the URL's path says, without a slash at its end.
    pub(crate) base: String,
}

impl Origin {
    /// Reads `https://host:port/path` or `http://...`; `ca` is the PEM file by which an `https` host is verified.
    pub fn parse(url: &str, ca: Option<&str>) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Address(format!("{url:?} is no URL: {why}; write https://host:port"));
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("the scheme is missing"))?;
        let (authority, base) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if !base
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte))
        {
            return Err(wrong("the path is malformed"));
        }
        let (tls, port) = match scheme {
            "http" => (None, 80),
            "https" => {
                let ca = ca.ok_or_else(|| Error::Tls(format!("{url}: no authority to verify it by; name one")))?;
                (Some(ClientTls::new(ca, None)?), 443)
            }
            _ => return Err(wrong("the scheme is neither http nor https")),
        };
        // A port is missing where no colon follows the host, whose own colons stand in brackets.
        let host_end = authority.rfind(']').unwrap_or(0);
        let address = match authority[host_end..].contains(':') {
            true => authority.parse()?,
            false => format!("{authority}:{port}").parse()?,
        };
        Ok(Self {
            address,
            tls,
            authority: authority.to_owned(),
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    /// The host and the port, as requests name them.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The path before each request's target.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The head of `request`, as it is written.
    pub(super) fn head(&self, request: &Request<'_>) -> BytesMut {
        let mut out = BytesMut::with_capacity(512);
        for part in [request.method, " ", &self.base, request.target, " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        write_field(&mut out, b"host", self.authority.as_bytes());
        for (name, value) in request.fields {
            write_field(&mut out, name.as_bytes(), value.as_bytes());
        }
        if !request.body.is_empty() || request.method == "POST" || request.method == "PUT" {
            write_field(
                &mut out,
                b"content-length",
                itoa::Buffer::new().format(request.body.len()).as_bytes(),
            );
        }
        out.extend_from_slice(b"\r\n");
        out
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.base)
    }
}
