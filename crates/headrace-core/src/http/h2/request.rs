//! A request's head, from HTTP/2's parts to the one form that handlers know.
//!
//! The request may be written again as HTTP/1.1, so nothing gets through that would be framing, another target or another
//! host there (RFC 9113, 10.3). `h2` has refused before this: upper case and characters that are none of a name's, control
//! characters in values, connection-specific fields, pseudo-fields that are unknown, repeated or too late.

use std::borrow::Cow;

use http::request::Parts;

use crate::http::{
    fields::{Known, classify},
    head::{BodyKind, HeadLimits, Refusal, Request, Target, Version, is_authority, parse_length, parse_target},
};

/// Blanks and version of a request line in HTTP/1.1, where its length is limited.
const LINE: usize = " HTTP/1.1 ".len();
/// What stands between name and value.
const SEPARATOR: usize = ": ".len();

/// Reads `head` into `out`; `ended` says that no body follows. After a refusal `out` is good for answering it.
pub(super) fn read(head: &Parts, ended: bool, limits: &HeadLimits, out: &mut Request) -> Result<(), Refusal> {
    let method = head.method.as_str().as_bytes();
    let host = head.headers.get(http::header::HOST).map(http::HeaderValue::as_bytes);
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    let authority = authority.or(host).unwrap_or_default();
    let target = match head.uri.path_and_query() {
        Some(path) => path.as_str().as_bytes(),
        None if head.method == http::Method::CONNECT => authority,
        None => b"",
    };
    out.begin(Version::Http2, method, target, authority);
    check_place(head, target, authority, limits)?;
    read_fields(head, authority, ended, limits, out)
}

fn check_place(head: &Parts, target: &[u8], authority: &[u8], limits: &HeadLimits) -> Result<(), Refusal> {
    let method = head.method.as_str().as_bytes();
    if method.len() + target.len() + LINE > limits.line {
        return Err(Refusal::TargetTooLong);
    }
    if !matches!(head.uri.scheme_str(), None | Some("http" | "https")) {
        return Err(Refusal::BadRequest("the scheme is neither http nor https"));
    }
    if authority.is_empty() {
        return Err(Refusal::BadRequest("the authority is missing"));
    }
    if !is_authority(authority) {
        return Err(Refusal::BadRequest("the authority is malformed"));
    }
    match parse_target(method, target) {
        Ok(Target::Origin(_) | Target::Authority(_)) => Ok(()),
        Ok(Target::Absolute { .. }) => Err(Refusal::BadRequest("the path is a URL")),
        Err(reason) => Err(Refusal::BadRequest(reason)),
    }
}

fn read_fields(
    head: &Parts,
    authority: &[u8],
    ended: bool,
    limits: &HeadLimits,
    out: &mut Request,
) -> Result<(), Refusal> {
    if head.headers.len() > limits.count {
        return Err(Refusal::HeadTooLarge("the head has too many fields"));
    }
    let mut length = None;
    let mut hosts = 0;
    let mut cookie = Cow::Borrowed(&b""[..]);
    for (name, value) in &head.headers {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        check_field(name, value, limits)?;
        let known = classify(name);
        match known {
            Known::Host => {
                hosts += 1;
                if hosts > 1 || !value.eq_ignore_ascii_case(authority) {
                    return Err(Refusal::BadRequest("Host contradicts the authority"));
                }
            }
            Known::ContentLength => {
                let told = parse_length(value).ok_or(Refusal::BadRequest("Content-Length is not a number"))?;
                if length.replace(told).is_some() {
                    return Err(Refusal::BadRequest("Content-Length is repeated"));
                }
            }
            Known::Cookie => {
                // Crumbs, for the compression's sake (RFC 9113, 8.2.3).
                match cookie.is_empty() {
                    true => cookie = Cow::Borrowed(value),
                    false => cookie.to_mut().extend([b"; ", value].concat()),
                }
            }
            Known::Expect if !value.eq_ignore_ascii_case(b"100-continue") => return Err(Refusal::ExpectationFailed),
            Known::Expect => out.expect_continue = true,
            Known::Te => out.trailers_ok = true,
            Known::Disguised => {}
            _ if known.is_hop_by_hop() => {}
            _ => out.fields_mut().push_known(known, name, value),
        }
    }
    if !cookie.is_empty() {
        check_field(b"cookie", &cookie, limits)?;
        out.fields_mut().push_known(Known::Cookie, b"cookie", &cookie);
    }
    out.body = match length {
        // Not whole before the client says so: data may still contradict it.
        Some(0) if !ended => BodyKind::Chunked,
        Some(length) => BodyKind::Length(length),
        None if ended => BodyKind::None,
        None => BodyKind::Chunked,
    };
    out.expect_continue &= !ended && length != Some(0);
    Ok(())
}

fn check_field(name: &[u8], value: &[u8], limits: &HeadLimits) -> Result<(), Refusal> {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if is_blank(value.first()) || is_blank(value.last()) {
        return Err(Refusal::BadRequest("a field value begins or ends with a blank"));
    }
    if name.len() + SEPARATOR + value.len() > limits.line {
        return Err(Refusal::HeadTooLarge("a header line is too long"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::http::head::{parse_request, write_field};

    fn parts(method: &str, uri: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn understood(parts: &Parts, ended: bool) -> Result<Request, u16> {
        let mut request = Request::new();
        read(parts, ended, &HeadLimits::default(), &mut request)
            .map(|()| request)
            .map_err(Refusal::status)
    }

    fn get(fields: &[(&str, &str)]) -> Result<Request, u16> {
        understood(&parts("GET", "https://mill/a?b=c", fields), true)
    }

    #[test]
    fn parts_become_a_request() {
        let request = get(&[("accept", "*/*"), ("te", "trailers")]).unwrap();
        assert_eq!(request.method(), b"GET");
        assert_eq!(request.target(), b"/a?b=c");
        assert_eq!(request.authority(), b"mill");
        assert_eq!(request.version, Version::Http2);
        assert_eq!(request.body, BodyKind::None);
        assert!(request.trailers_ok);
        assert_eq!(request.fields().len(), 1);
    }

    #[test]
    fn crumbs_become_one_cookie() {
        let request = get(&[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3")]).unwrap();
        assert_eq!(request.fields().get(b"cookie"), Some(&b"a=1; b=2; c=3"[..]));
        assert_eq!(request.fields().len(), 2);
    }

    #[test]
    fn the_body_is_framed_by_its_length_or_by_its_end() {
        let post = |fields: &[_], ended| understood(&parts("POST", "https://mill/", fields), ended).map(|r| r.body);
        assert_eq!(post(&[], true), Ok(BodyKind::None));
        assert_eq!(post(&[], false), Ok(BodyKind::Chunked));
        assert_eq!(post(&[("content-length", "5")], false), Ok(BodyKind::Length(5)));
        assert_eq!(post(&[("content-length", "0")], true), Ok(BodyKind::Length(0)));
        assert_eq!(post(&[("content-length", "0")], false), Ok(BodyKind::Chunked));
        for bad in ["", "+5", "5 ", "5,5", "0x5", "99999999999999999999"] {
            assert_eq!(post(&[("content-length", bad)], false), Err(400), "{bad}");
        }
        let twice = [("content-length", "5"), ("content-length", "5")];
        assert_eq!(post(&twice, false), Err(400));
    }

    #[test]
    fn host_stands_in_for_the_authority_and_never_against_it() {
        let request = understood(&parts("GET", "/a", &[("host", "mill:80")]), true).unwrap();
        assert_eq!(request.authority(), b"mill:80");
        assert!(get(&[("host", "MILL")]).is_ok());
        assert_eq!(get(&[("host", "other")]).err(), Some(400));
        assert_eq!(get(&[("host", "mill"), ("host", "mill")]).err(), Some(400));
        assert_eq!(understood(&parts("GET", "/a", &[]), true).err(), Some(400));
        assert_eq!(
            understood(&parts("GET", "/a", &[("host", "a b")]), true).err(),
            Some(400)
        );
    }

    #[test]
    fn only_plain_targets_pass() {
        for (method, uri) in [
            ("GET", "https://user@mill/"),
            ("GET", "ftp://mill/"),
            ("GET", "*"),
            ("GET", "https://mill/\u{e9}"),
        ] {
            let mut head = parts("GET", "/", &[("host", "mill")]);
            head.method = method.parse().unwrap();
            head.uri = uri.parse().unwrap();
            if head.uri.authority().is_some() {
                head.headers.clear();
            }
            assert_eq!(understood(&head, true).err(), Some(400), "{uri}");
        }
        let mut head = parts("OPTIONS", "*", &[("host", "mill")]);
        assert_eq!(understood(&head, true).unwrap().target(), b"*");
        head.method = http::Method::CONNECT;
        head.uri = "mill:443".parse().unwrap();
        head.headers.clear();
        assert_eq!(understood(&head, true).unwrap().target(), b"mill:443");
    }

    #[test]
    fn what_is_too_large_says_what() {
        let long = "x".repeat(9000);
        assert_eq!(get(&[("x", &long)]).err(), Some(431));
        let many: Vec<_> = (0..101).map(|n| format!("x-{n}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), "")).collect();
        assert_eq!(get(&many).err(), Some(431));
        let head = parts("GET", &format!("https://mill/{long}"), &[]);
        assert_eq!(understood(&head, true).err(), Some(414));
    }

    /// What `http` takes for a part of a request, and more odd ones of it than browsers send.
    fn odd_parts() -> impl Strategy<Value = (String, String, String, Vec<(String, Vec<u8>)>)> {
        let method = "GET|POST|OPTIONS|HEAD|[!#$%&'*+.^_`|~A-Za-z0-9-]{1,12}";
        let target = r"/[!-~]{0,30}|\*|[!-~]{1,20}|https?://[!-~]{1,20}";
        let authority = r"mill|[a-z0-9.:@%\[\]-]{1,20}";
        let name = "x-[a-z]{1,3}|[!#$%&'*+.^_`|~a-z0-9-]{1,20}|host|cookie|te|expect|content-length|transfer_encoding";
        let value = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..20),
            "mill|[0-9]{1,3}|trailers|100-continue".prop_map(String::into_bytes),
        ];
        let fields = proptest::collection::vec((name.prop_map(String::from), value), 0..8);
        (method.prop_map(String::from), target, authority, fields)
    }

    proptest! {
        #[test]
        fn what_is_accepted_reads_the_same_in_http_1_1((method, target, authority, fields) in odd_parts(), ended: bool) {
            let mut builder = http::Request::builder().method(&*method);
            builder = builder.uri(match target.starts_with('/') {
                true => format!("https://{authority}{target}"),
                false => target,
            });
            for (name, value) in &fields {
                builder = builder.header(name, &value[..]);
            }
            let Ok(built) = builder.body(()) else { return Ok(()) };
            let Ok(request) = understood(&built.into_parts().0, ended) else { return Ok(()) };
            let mut text = BytesMut::new();
            request.write_start(&mut text);
            write_field(&mut text, b"Host", request.authority());
            request.fields().iter().for_each(|field| field.write(&mut text));
            text.extend_from_slice(b"\r\n");
            let mut again = Request::new();
            let length = parse_request(&text, &HeadLimits::default(), &mut again);
            prop_assert_eq!(length, Ok(Some(text.len())), "{:?}", text);
            prop_assert_eq!(again.method(), request.method());
            prop_assert_eq!(again.target(), request.target());
            prop_assert_eq!(again.authority(), request.authority());
            prop_assert_eq!(again.body, BodyKind::None);
            prop_assert!(again.fields().iter().eq(request.fields().iter()), "{:?}", text);
        }
    }

    #[test]
    fn other_odd_fields_are_refused_or_dropped() {
        assert_eq!(get(&[("x", " a")]).err(), Some(400));
        assert_eq!(get(&[("x", "a\t")]).err(), Some(400));
        assert_eq!(get(&[("expect", "a miracle")]).err(), Some(417));
        let dropped = get(&[
            ("x_forwarded_for", "1.2.3.4"),
            ("proxy-authorization", "x"),
            ("keep-alive", "1"),
        ]);
        assert!(dropped.unwrap().fields().is_empty());
    }
}
