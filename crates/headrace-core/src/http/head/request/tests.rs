//! What is accepted and what is refused, by example.

use super::*;
use crate::http::fields::write_field;

const LIMITS: HeadLimits = HeadLimits {
    line: 100,
    bytes: 400,
    count: 5,
};

fn parse(input: &str) -> Result<Option<Request>, Refusal> {
    let mut request = Request::new();
    let length = parse_request(input.as_bytes(), &LIMITS, &mut request)?;
    Ok(length.map(|length| {
        assert_eq!(length, input.len());
        request
    }))
}

/// A complete, acceptable GET with these header lines.
fn get(lines: &str) -> Request {
    let head = format!("GET / HTTP/1.1\r\nHost: blog\r\n{lines}\r\n");
    parse(&head).expect("accepted").expect("complete")
}

fn status_of(input: &str) -> u16 {
    parse(input).expect_err(input).status()
}

fn written(request: &Request) -> String {
    let mut out = BytesMut::new();
    request.write_start(&mut out);
    write_field(&mut out, b"host", request.authority());
    request.fields().iter().for_each(|field| field.write(&mut out));
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn a_request_is_taken_apart() {
    let request = parse("\r\nPOST /a/b?c=d?e HTTP/1.1\r\nhOST: Blog:80\r\nContent-Length: 5\r\nX-A:1 \r\n\r\n")
        .expect("accepted")
        .expect("complete");
    assert_eq!((request.method(), request.target()), (&b"POST"[..], &b"/a/b?c=d?e"[..]));
    assert_eq!((request.path(), request.authority()), (&b"/a/b"[..], &b"Blog:80"[..]));
    assert_eq!((request.version, request.body), (Version::Http11, BodyKind::Length(5)));
    assert!(request.keep_alive && !request.is_head() && !request.is_idempotent() && !request.upgrade);
    assert_eq!(
        written(&request),
        "POST /a/b?c=d?e HTTP/1.1\r\nhost: Blog:80\r\nX-A: 1\r\n"
    );
}

#[test]
fn any_token_is_a_method() {
    for method in ["GET", "PROPFIND", "M-SEARCH", "get", "X!#$%&'*+-.^_`|~1"] {
        let request = parse(&format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"))
            .expect(method)
            .expect(method);
        assert_eq!(request.method(), method.as_bytes());
    }
}

#[test]
fn absolute_targets_become_paths_and_win_over_host() {
    for (line, target) in [
        ("GET http://blog:1/a?b", "/a?b"),
        ("GET HTTP://blog:1", "/"),
        ("GET https://blog:1?b", "/?b"),
        ("OPTIONS http://blog:1", "*"),
    ] {
        let request = parse(&format!("{line} HTTP/1.1\r\nHost: other\r\n\r\n"))
            .expect(line)
            .expect(line);
        assert_eq!(
            (request.target(), request.authority()),
            (target.as_bytes(), &b"blog:1"[..]),
            "{line}"
        );
    }
}

#[test]
fn a_connection_lasts_as_its_version_and_options_say() {
    for (version, lines, keep_alive) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Keep-Alive, CLOSE\r\n", false),
        ("1.1", "Connection: x-a\r\nConnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let request = parse(&format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n"));
        assert_eq!(
            request.expect(lines).expect(lines).keep_alive,
            keep_alive,
            "{version} {lines}"
        );
    }
}

#[test]
fn http_1_0_needs_no_host() {
    let request = parse("GET / HTTP/1.0\r\n\r\n").expect("accepted").expect("complete");
    assert_eq!((request.version, request.authority()), (Version::Http10, &b""[..]));
}

#[test]
fn hop_by_hop_fields_end_here() {
    let request = get("Connection: close, X-Hop, Cookie\r\nKeep-Alive: 5\r\nx-hop: 1\r\nCookie: a=b\r\n");
    assert_eq!(written(&request), "GET / HTTP/1.1\r\nhost: blog\r\nCookie: a=b\r\n");
    let request = get("TE: gzip, trailers\r\nProxy-Connection: close\r\nX_Forwarded_For: 1.1.1.1\r\nX-A: b\r\n");
    assert_eq!(written(&request), "GET / HTTP/1.1\r\nhost: blog\r\nX-A: b\r\n");
    assert!(request.trailers_ok && request.keep_alive);
}

#[test]
fn what_is_known_cannot_be_nominated_away() {
    let request = get("Connection: X-Forwarded-For, authorization, host\r\nX-Forwarded-For: a\r\nAuthorization: b\r\n");
    assert_eq!(request.fields().len(), 2);
    assert_eq!(request.authority(), b"blog");
}

#[test]
fn bodies_are_framed_by_length_or_chunks() {
    assert_eq!(get("").body, BodyKind::None);
    assert_eq!(get("Content-Length: 0\r\n").body, BodyKind::Length(0));
    assert_eq!(get("Content-Length:  0005 \r\n").body, BodyKind::Length(5));
    assert_eq!(
        get("Content-Length: 18446744073709551615\r\n").body,
        BodyKind::Length(u64::MAX)
    );
    assert_eq!(get("Transfer-Encoding: CHUNKED\r\n").body, BodyKind::Chunked);
}

#[test]
fn expectations_are_met_or_refused() {
    assert!(get("Expect: 100-Continue\r\nContent-Length: 1\r\n").expect_continue);
    assert!(!get("Expect: 100-continue\r\n").expect_continue);
    assert_eq!(status_of("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n"), 417);
    let old = parse("POST / HTTP/1.0\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n").expect("accepted");
    assert!(!old.expect("complete").expect_continue);
}

#[test]
fn an_upgrade_is_one_protocol_and_no_body() {
    let request = get("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n");
    assert!(request.upgrade && request.response_to().upgrade);
    assert_eq!(request.upgrade_token(), b"websocket");
    assert!(request.fields().is_empty());
    assert!(!get("Upgrade: websocket\r\n").upgrade);
    assert!(!get("Connection: upgrade\r\n").upgrade);
    assert!(!get("Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n").upgrade);
    assert!(!get("Connection: upgrade\r\nUpgrade: a\r\nContent-Length: 1\r\n").upgrade);
    assert!(get("Connection: upgrade\r\nUpgrade: irc/6.9\r\n").upgrade);
    for other in [
        "h2c",
        "H2C",
        "h2",
        "HTTP/2.0",
        "websocket, h2c",
        "h2c,websocket",
        "a,",
        "a/b/c",
        "a b",
        "a/",
        "/a",
        "",
    ] {
        assert!(
            !get(&format!("Connection: upgrade\r\nUpgrade: {other}\r\n")).upgrade,
            "{other}"
        );
    }
    let old = parse("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n").expect("accepted");
    assert!(!old.expect("complete").upgrade);
}

#[test]
fn malformed_requests_are_refused() {
    for start in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/0.9\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /# HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://b@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\x16\x03\x01\x02",
    ] {
        assert_eq!(status_of(start), 400, "{start:?}");
    }
}

#[test]
fn malformed_fields_are_refused() {
    for lines in [
        "Host: b\r\n",
        "A: b\n",
        "A: b\r\n\n",
        "A: b\rc\r\n",
        "A: b\r\n c\r\n",
        "A: b\r\n\tc\r\n",
        "A : b\r\n",
        "A\t: b\r\n",
        ": b\r\n",
        "A\r\n",
        "A: \0\r\n",
        "A: \x1b\r\n",
        "A: \x7f\r\n",
        "\u{e9}: b\r\n",
        "A\0: b\r\n",
        "A@: b\r\n",
    ] {
        let input = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        assert_eq!(status_of(&input), 400, "{lines:?}");
    }
    for host in ["", " ", "a b", "a/b", "b@a", "a:b", "a:70000", "[::1", "a, b"] {
        assert_eq!(
            status_of(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")),
            400,
            "{host:?}"
        );
    }
}

#[test]
fn ambiguous_framing_is_refused() {
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5_0\r\n",
        "Content-Length: \"5\"\r\n",
        "Content-Length: five\r\n",
        "Content-Length: \r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked;a=b\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding:\r\n",
    ] {
        let input = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        assert_eq!(status_of(&input), 400, "{lines:?}");
    }
    assert_eq!(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

#[test]
fn sizes_are_limited() {
    let long = "a".repeat(101);
    assert_eq!(status_of(&format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")), 414);
    assert_eq!(
        status_of(&format!("GET / HTTP/1.1\r\nHost: a\r\nA: {long}\r\n\r\n")),
        431
    );
    assert_eq!(
        status_of(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(5))),
        431
    );
    let line = format!("A: {}\r\n", "b".repeat(97));
    assert_eq!(
        status_of(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", line.repeat(4))),
        431
    );
    assert_eq!(get(&line.repeat(3)).fields().len(), 3);
    assert_eq!(get(&"A: b\r\n".repeat(4)).fields().len(), 4);
}

#[test]
fn what_cannot_become_acceptable_is_refused_before_its_end() {
    let long = "a".repeat(110);
    assert_eq!(status_of(&format!("GET /{long}")), 414);
    assert_eq!(status_of(&format!("GET / HTTP/1.1\r\nA: {long}")), 431);
    assert_eq!(
        status_of(&format!(
            "GET / HTTP/1.1\r\n{}",
            format!("A: {}\r\n", "b".repeat(97)).repeat(4)
        )),
        431
    );
    assert_eq!(status_of("GET / HTTP/1.1\n"), 400);
    assert_eq!(status_of("GET / HTTP/1.1\r\nA: b\n"), 400);
}

#[test]
fn too_many_connection_options_are_refused() {
    let options = "a,".repeat(MOST_OPTIONS_PLUS_ONE);
    assert_eq!(
        status_of(&format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {options}\r\n\r\n")),
        400
    );
}

const MOST_OPTIONS_PLUS_ONE: usize = super::super::MOST_OPTIONS + 1;

#[test]
fn a_head_in_parts_is_waited_for() {
    let input = "\r\nGET / HTTP/1.1\r\nHost: blog\r\nX-A: b\r\n\r\n";
    for end in 0..input.len() {
        assert!(parse(&input[..end]).expect("not refused").is_none(), "{end}");
    }
    assert!(parse(input).expect("accepted").is_some());
}

#[test]
fn a_reused_request_remembers_nothing() {
    let mut request = Request::new();
    let first = b"PUT http://a/b HTTP/1.0\r\nExpect: 100-continue\r\nTE: trailers\r\nContent-Length: 1\r\nX: y\r\n\r\n";
    assert!(parse_request(first, &LIMITS, &mut request).is_ok());
    let second = b"GET / HTTP/1.1\r\nHost: c\r\n\r\n";
    assert!(parse_request(second, &LIMITS, &mut request).is_ok());
    assert_eq!(
        (request.method(), request.target(), request.authority()),
        (&b"GET"[..], &b"/"[..], &b"c"[..])
    );
    assert!(request.fields().is_empty() && !request.trailers_ok && request.body == BodyKind::None);
}

#[test]
fn a_request_can_come_in_parts() {
    let mut request = Request::new();
    request.begin(Version::Http2, b"PUT", b"/a", b"blog");
    request.fields_mut().push(b"x-a", b"b");
    assert_eq!(written(&request), "PUT /a HTTP/1.1\r\nhost: blog\r\nx-a: b\r\n");
    assert!(request.is_idempotent() && !request.is_safe());
}
