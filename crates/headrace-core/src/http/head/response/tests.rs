//! What is accepted and what is refused, by example.

use bytes::BytesMut;

use super::*;

const LIMITS: HeadLimits = HeadLimits {
    line: 100,
    bytes: 400,
    count: 5,
};
const TO_GET: ResponseTo = ResponseTo {
    head: false,
    upgrade: false,
};
const TO_HEAD: ResponseTo = ResponseTo {
    head: true,
    upgrade: false,
};
const TO_UPGRADE: ResponseTo = ResponseTo {
    head: false,
    upgrade: true,
};

/// Status, body, whether the connection lasts, and the fields as they are written.
type Seen = (u16, ResponseBody, bool, String);

fn parse(input: &str, to: ResponseTo) -> Result<Option<(usize, Seen)>, BadResponse> {
    parse_response(input.as_bytes(), &LIMITS, to, |head| {
        let mut out = BytesMut::new();
        head.fields().for_each(|field| field.write(&mut out));
        (
            head.status,
            head.body,
            head.keep_alive,
            String::from_utf8_lossy(&out).into_owned(),
        )
    })
}

fn accepted(input: &str, to: ResponseTo) -> Seen {
    let (length, seen) = parse(input, to).expect(input).expect(input);
    assert_eq!(length, input.len());
    seen
}

#[test]
fn a_response_is_taken_apart() {
    let input = "HTTP/1.1 200 OK\r\nServer:mill\r\nSet-Cookie: a\r\nContent-Length: 5\r\nSet-Cookie: b\r\n\r\n";
    let fields = "Server: mill\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n";
    assert_eq!(
        accepted(input, TO_GET),
        (200, ResponseBody::Length(5), true, fields.to_owned())
    );
}

#[test]
fn bodies_are_framed_by_status_request_and_fields() {
    for (start, lines, to, body) in [
        ("1.1 200 OK", "", TO_GET, ResponseBody::UntilClose),
        ("1.0 200 OK", "", TO_GET, ResponseBody::UntilClose),
        ("1.1 200 OK", "Content-Length: 0\r\n", TO_GET, ResponseBody::Length(0)),
        (
            "1.1 200 OK",
            "Content-Length: 7\r\nContent-Length: 7\r\n",
            TO_GET,
            ResponseBody::Length(7),
        ),
        (
            "1.1 200 OK",
            "Transfer-Encoding: Chunked\r\n",
            TO_GET,
            ResponseBody::Chunked,
        ),
        (
            "1.1 200 OK",
            "Transfer-Encoding: chunked\r\n",
            TO_HEAD,
            ResponseBody::None,
        ),
        ("1.1 200 OK", "Content-Length: 7\r\n", TO_HEAD, ResponseBody::None),
        ("1.1 204 No Content", "", TO_GET, ResponseBody::None),
        (
            "1.1 304 Not Modified",
            "Content-Length: 7\r\n",
            TO_GET,
            ResponseBody::None,
        ),
        ("1.1 103 Early Hints", "Link: a\r\n", TO_GET, ResponseBody::None),
        (
            "1.1 101 Switching",
            "Connection: upgrade\r\nUpgrade: websocket\r\n",
            TO_UPGRADE,
            ResponseBody::None,
        ),
    ] {
        let input = format!("HTTP/{start}\r\n{lines}\r\n");
        assert_eq!(accepted(&input, to).1, body, "{input}");
    }
}

#[test]
fn the_length_is_told_where_no_body_follows() {
    let input = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
    let told = parse_response(input, &LIMITS, TO_HEAD, |head| head.content_length);
    assert_eq!(told, Ok(Some((input.len(), Some(7)))));
}

#[test]
fn a_connection_lasts_when_the_end_of_the_response_is_certain() {
    for (start, lines, keep_alive) in [
        ("1.1 200 OK", "Content-Length: 1\r\n", true),
        ("1.1 200 OK", "Content-Length: 1\r\nConnection: close\r\n", false),
        ("1.1 200 OK", "", false),
        ("1.1 200 OK", "Connection: keep-alive\r\n", false),
        ("1.0 200 OK", "Content-Length: 1\r\n", false),
        ("1.0 200 OK", "Content-Length: 1\r\nConnection: keep-alive\r\n", true),
        ("1.1 204 No Content", "", true),
        ("1.1 204 No Content", "Content-Length: 3\r\n", false),
        ("1.1 204 No Content", "Transfer-Encoding: chunked\r\n", false),
    ] {
        let input = format!("HTTP/{start}\r\n{lines}\r\n");
        assert_eq!(accepted(&input, TO_GET).2, keep_alive, "{input}");
    }
}

#[test]
fn hop_by_hop_fields_end_here() {
    let input = "HTTP/1.1 200 OK\r\nConnection: X-Hop, date\r\nX-Hop: 1\r\nDate: now\r\nKeep-Alive: 5\r\n\r\n";
    assert_eq!(accepted(input, TO_GET).3, "Date: now\r\n");
}

#[test]
fn an_upgrade_names_its_protocol() {
    let input = b"HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: websocket\r\nX-A: b\r\n\r\n";
    let seen = parse_response(input, &LIMITS, TO_UPGRADE, |head| {
        (
            head.upgrade.map(<[u8]>::to_vec),
            head.is_interim(),
            head.fields().count(),
        )
    });
    assert_eq!(seen, Ok(Some((input.len(), (Some(b"websocket".to_vec()), false, 1)))));
}

#[test]
fn a_reason_may_be_missing() {
    for line in ["HTTP/1.1 404", "HTTP/1.1 404 ", "HTTP/1.1 404 Not Here (yet)"] {
        assert_eq!(accepted(&format!("{line}\r\n\r\n"), TO_GET).0, 404, "{line:?}");
    }
}

#[test]
fn malformed_responses_are_refused() {
    for input in [
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\n\r\n",
        "HTTP/1.1 200 OK\r\n\n",
        "HTTP/1.1 200 OK\r\nA: b\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n",
        "HTTP/1.1 -20 OK\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "<html>",
    ] {
        assert!(parse(input, TO_UPGRADE).is_err(), "{input:?}");
    }
}

#[test]
fn contradictory_responses_are_refused() {
    for (start, lines) in [
        ("1.1 200 OK", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        ("1.1 200 OK", "Content-Length: 5\r\nContent-Length: 6\r\n"),
        ("1.1 200 OK", "Content-Length: 5, 5\r\n"),
        ("1.1 200 OK", "Content-Length: -1\r\n"),
        ("1.1 200 OK", "Transfer-Encoding: gzip, chunked\r\n"),
        ("1.1 200 OK", "Transfer-Encoding: gzip\r\n"),
        (
            "1.1 200 OK",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ),
        ("1.0 200 OK", "Transfer-Encoding: chunked\r\n"),
        ("1.1 100 Continue", "Content-Length: 5\r\n"),
        ("1.1 103 Early Hints", "Transfer-Encoding: chunked\r\n"),
        ("1.1 101 Switching", "Connection: upgrade\r\nUpgrade: websocket\r\n"),
    ] {
        let input = format!("HTTP/{start}\r\n{lines}\r\n");
        assert!(parse(&input, TO_GET).is_err(), "{input:?}");
    }
    assert!(parse("HTTP/1.1 101 Switching\r\n\r\n", TO_UPGRADE).is_err());
    assert!(parse("HTTP/1.0 101 Switching\r\nUpgrade: a\r\n\r\n", TO_UPGRADE).is_err());
}

#[test]
fn sizes_are_limited_before_the_end_too() {
    let long = "a".repeat(110);
    for input in [
        format!("HTTP/1.1 200 {long}"),
        format!("HTTP/1.1 200 OK\r\nA: {long}"),
        format!("HTTP/1.1 200 OK\r\nA: {long}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(6)),
        format!("HTTP/1.1 200 OK\r\n{}", format!("A: {}\r\n", "b".repeat(97)).repeat(4)),
    ] {
        assert!(parse(&input, TO_GET).is_err(), "{input:?}");
    }
}

#[test]
fn a_head_in_parts_is_waited_for() {
    let input = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\n";
    for end in 0..input.len() {
        assert_eq!(parse(&input[..end], TO_GET), Ok(None), "{end}");
    }
}
