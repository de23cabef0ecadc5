//! Who may call a service: whoever has the token, by `Authorization: Bearer` (RFC 6750, 2.1).
//!
//! Without a token the service is open to all programs of the machine, and then it must not be open to web pages: a browser
//! sends their requests to `localhost` as well. Their marks are `Origin` and `Sec-Fetch-Site`; a page whose name was
//! made to mean this machine (DNS rebinding) shows by `Host`.

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::{Stop, refuse, refuse_with};
use crate::{
    http::{fields::Known, head::Request},
    metrics::Refused,
};

/// Lets a request in that carries one of `tokens`; without tokens any but those of web pages.
pub fn check(request: &Request, tokens: &[String]) -> Result<(), Stop> {
    match tokens {
        [] if is_from_elsewhere(request) => Err(refuse(
            Refused::Forbidden,
            "Web pages may not call this; use the address of this machine, and no Origin.",
        )),
        [] => Ok(()),
        tokens if bearer(request).is_some_and(|token| is_known(token, tokens)) => Ok(()),
        _ => Err(refuse_with(
            Refused::Unauthorized,
            "Send the token: Authorization: Bearer TOKEN, as `headrace token` prints it.",
            b"WWW-Authenticate",
            b"Bearer",
        )),
    }
}

/// Whether `token` is one of `known`, in a time that does not tell how much of it was right.
pub fn is_known(token: &[u8], known: &[String]) -> bool {
    let equal = |each: &String| verify_slices_are_equal(each.as_bytes(), token).is_ok();
    known.iter().fold(false, |found, each| found | equal(each))
}

fn bearer(request: &Request) -> Option<&[u8]> {
    let value = request.fields().known(Known::Authorization)?;
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
}

fn is_from_elsewhere(request: &Request) -> bool {
    let site = request.fields().get(b"sec-fetch-site");
    request.fields().get(b"origin").is_some()
        || site.is_some_and(|site| !matches!(site, b"none" | b"same-origin"))
        || !names_this_machine(request.authority())
}

/// Whether a `Host` is one that only this machine answers to.
fn names_this_machine(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_loopback_name_this_machine() {
        for host in [
            "localhost",
            "LocalHost:6000",
            "127.0.0.1:6000",
            "127.1.2.3",
            "[::1]:6000",
            "[::1]",
        ] {
            assert!(names_this_machine(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:6000",
            "10.0.0.1",
            "[::2]",
            "0.0.0.0",
            "\u{fc}",
        ] {
            assert!(!names_this_machine(host.as_bytes()), "{host}");
        }
    }
}
