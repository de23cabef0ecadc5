//! Request targets and authorities (RFC 9112, 3.2; RFC 3986, 3.2).

use std::net::Ipv6Addr;

use memchr::{memchr, memchr2};

/// A request target taken apart. What is not there is empty.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(in crate::http) enum Target<'a> {
    /// `/path?query` or `*`.
    Origin(&'a [u8]),
    /// `http://authority/path?query`: the path may be empty or only a query, without the slash before it.
    Absolute { authority: &'a [u8], rest: &'a [u8] },
    /// `host:port` of a CONNECT.
    Authority(&'a [u8]),
}

/// Takes the target of a request with `method` apart, or says what is wrong with it.
pub(in crate::http) fn parse_target<'a>(method: &[u8], target: &'a [u8]) -> Result<Target<'a>, &'static str> {
    // Other characters that RFC 3986 leaves out (`|`, `{`, `^` ...) do come from browsers and mean nothing to anybody.
    if target.contains(&b'#') || !target.is_ascii() {
        return Err("the target contains a fragment or a byte that is not ASCII");
    }
    if method == b"CONNECT" {
        return parse_connect(target);
    }
    match target {
        b"*" if method == b"OPTIONS" => Ok(Target::Origin(target)),
        [b'/', ..] => Ok(Target::Origin(target)),
        _ => parse_absolute(target),
    }
}

fn parse_absolute(target: &[u8]) -> Result<Target<'_>, &'static str> {
    let Some((scheme, hier)) = memchr(b':', target).and_then(|colon| target.split_at_checked(colon)) else {
        return Err("the target is no path and no URL");
    };
    let Some(hier) = hier.strip_prefix(b"://") else {
        return Err("the target is no path and no URL");
    };
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Err("the target's scheme is neither http nor https");
    }
    let end = memchr2(b'/', b'?', hier).unwrap_or(hier.len());
    let (authority, rest) = hier.split_at_checked(end).unwrap_or_default();
    if !is_authority(authority) {
        return Err("the target's authority is malformed");
    }
    Ok(Target::Absolute { authority, rest })
}

fn parse_connect(target: &[u8]) -> Result<Target<'_>, &'static str> {
    let port = split_port(target).1;
    if is_authority(target) && port.is_some_and(|port| !port.is_empty()) {
        Ok(Target::Authority(target))
    } else {
        Err("the target of CONNECT is not host:port")
    }
}

/// Whether `authority` is a host with or without a port, as in `Host`: no user, no blank, no path. An empty host is
/// none: an http URL must not have it (RFC 9110, 4.2.1), and nginx refuses it too.
pub(crate) fn is_authority(authority: &[u8]) -> bool {
    let (host, port) = split_port(authority);
    is_host(host) && port.is_none_or(is_port)
}

/// Splits at the colon before the port, which is not one of those inside an IPv6 address.
fn split_port(authority: &[u8]) -> (&[u8], Option<&[u8]>) {
    let bracket = if authority.first() == Some(&b'[') {
        memchr(b']', authority).unwrap_or(0)
    } else {
        0
    };
    let (literal, rest) = authority.split_at_checked(bracket).unwrap_or_default();
    match memchr(b':', rest).and_then(|colon| authority.split_at_checked(literal.len() + colon)) {
        Some((host, port)) => (host, port.get(1..)),
        None => (authority, None),
    }
}

fn is_host(host: &[u8]) -> bool {
    match host {
        [] => false,
        [b'[', address @ .., b']'] => str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        _ => is_registered_name(host),
    }
}

/// RFC 3986, 3.2.2: unreserved, sub-delims and percent-encoded bytes.
fn is_registered_name(host: &[u8]) -> bool {
    host.iter().all(|byte| REGISTERED[usize::from(*byte)]) && percent_encodings_are_whole(host)
}

const REGISTERED: [bool; 256] = {
    let signs = b"-._~!$&'()*+,;=%";
    let mut table = [false; 256];
    let mut index = 0;
    while index < 256 {
        table[index] = (index as u8).is_ascii_alphanumeric();
        index += 1;
    }
    let mut index = 0;
    while index < signs.len() {
        table[signs[index] as usize] = true;
        index += 1;
    }
    table
};

fn percent_encodings_are_whole(host: &[u8]) -> bool {
    let mut parts = host.split(|byte| *byte == b'%');
    parts.next();
    parts.all(|part| {
        part.get(..2)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// Digits up to 65535, or none at all.
fn is_port(port: &[u8]) -> bool {
    let number = port.iter().try_fold(0_u16, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    });
    number.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_hosts_with_or_without_a_port() {
        for authority in [
            "localhost",
            "blog.example:443",
            "127.0.0.1:2000",
            "[::1]",
            "[2001:db8::1]:8080",
            "xn--mhle-0ra.example",
            "a_b.example",
            "%41.example",
            "host:",
            "host:00080",
        ] {
            assert!(is_authority(authority.as_bytes()), "{authority}");
        }
    }

    #[test]
    fn anything_else_is_no_authority() {
        for authority in [
            "",
            ":80",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "user@host",
            "user:pass@host",
            "a\\b",
            "host:80a",
            "host:-1",
            "host:+1",
            "host:65536",
            "host:99999999999999999999",
            "host:80:80",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]x:80",
            "[::g]",
            "[]",
            "[1.2.3.4]",
            "[fe80::1%25eth0]",
            "%4",
            "%zz",
            "a,b c",
            "h\u{e9}",
            "a\tb",
            "a\"b",
            "<a>",
        ] {
            assert!(!is_authority(authority.as_bytes()), "{authority}");
        }
    }

    #[test]
    fn absolute_targets_are_taken_apart() {
        for (target, authority, rest) in [
            ("http://blog/", "blog", "/"),
            ("HTTPS://blog:1/a?b=http://c", "blog:1", "/a?b=http://c"),
            ("http://[::1]:80", "[::1]:80", ""),
            ("http://blog?a/b", "blog", "?a/b"),
        ] {
            let expected = Target::Absolute {
                authority: authority.as_bytes(),
                rest: rest.as_bytes(),
            };
            assert_eq!(parse_target(b"GET", target.as_bytes()), Ok(expected), "{target}");
        }
    }

    #[test]
    fn the_other_forms_are_told_by_the_method() {
        assert_eq!(parse_target(b"OPTIONS", b"*"), Ok(Target::Origin(b"*")));
        assert_eq!(
            parse_target(b"CONNECT", b"blog:443"),
            Ok(Target::Authority(b"blog:443"))
        );
        assert_eq!(parse_target(b"GET", b"//a//b"), Ok(Target::Origin(b"//a//b")));
    }

    #[test]
    fn malformed_targets_are_refused() {
        for (method, target) in [
            ("GET", "*"),
            ("OPTIONS", "*a"),
            ("GET", "a"),
            ("GET", "blog:443"),
            ("GET", "?a"),
            ("GET", "/#a"),
            ("GET", "/\u{e9}"),
            ("GET", "http:/blog/"),
            ("GET", "http:blog"),
            ("GET", "http://"),
            ("GET", "http:///a"),
            ("GET", "http://:80/"),
            ("GET", "http://user@blog/"),
            ("GET", "http://user:pass@blog/"),
            ("GET", "ftp://blog/"),
            ("GET", "httpx://blog/"),
            ("GET", "://blog/"),
            ("GET", "http://a b/"),
            ("CONNECT", "/"),
            ("CONNECT", "blog"),
            ("CONNECT", "blog:"),
            ("CONNECT", "http://blog:443"),
        ] {
            assert!(
                parse_target(method.as_bytes(), target.as_bytes()).is_err(),
                "{method} {target}"
            );
        }
    }
}
