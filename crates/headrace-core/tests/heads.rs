//! What holds for every head, not only for the examples beside the code: what is accepted, written anew and read again
//! says the same; a part of an acceptable head is waited for; no bytes make the parser panic.

use bytes::BytesMut;
use headrace_core::http::{
    fields::Fields,
    head::{
        BodyKind, HeadLimits, Request, ResponseBody, ResponseHead, ResponseTo, parse_request, parse_response,
        write_decimal, write_field, write_status_line,
    },
};
use proptest::prelude::*;

type Lines = Vec<(Vec<u8>, Vec<u8>)>;

/// All that a request says, apart from its connection.
#[derive(Debug, PartialEq)]
struct Said {
    method: Vec<u8>,
    target: Vec<u8>,
    authority: Vec<u8>,
    body: BodyKind,
    fields: Lines,
}

fn said(request: &Request) -> Said {
    Said {
        method: request.method().to_vec(),
        target: request.target().to_vec(),
        authority: request.authority().to_vec(),
        body: request.body,
        fields: lines(request.fields()),
    }
}

fn lines(fields: &Fields) -> Lines {
    fields
        .iter()
        .map(|field| (field.name.to_vec(), field.value.to_vec()))
        .collect()
}

/// The request as a gateway sends it on.
fn written(request: &Request) -> BytesMut {
    let mut out = BytesMut::new();
    request.write_start(&mut out);
    write_field(&mut out, b"host", request.authority());
    match request.body {
        BodyKind::None => {}
        BodyKind::Length(length) => write_length(&mut out, length),
        BodyKind::Chunked => write_field(&mut out, b"transfer-encoding", b"chunked"),
    }
    for field in request.fields().iter() {
        field.write(&mut out);
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn write_length(out: &mut BytesMut, length: u64) {
    out.extend_from_slice(b"content-length: ");
    write_decimal(out, length);
    out.extend_from_slice(b"\r\n");
}

fn read(input: &[u8]) -> Option<(usize, Request)> {
    let mut request = Request::new();
    let length = parse_request(input, &HeadLimits::default(), &mut request).ok()??;
    Some((length, request))
}

/// Whatever is accepted means the same to whoever reads it next, and every line of it is clean.
fn assert_survives(input: &[u8]) -> Result<(), TestCaseError> {
    let Some((length, request)) = read(input) else {
        return Ok(());
    };
    prop_assert!(length <= input.len());
    for field in request.fields().iter() {
        prop_assert!(field.value.iter().all(|byte| !matches!(byte, b'\r' | b'\n' | 0)));
    }
    // Only HTTP/1.0 may name no host.
    if request.authority().is_empty() || request.is_connect() {
        return Ok(());
    }
    let anew = written(&request);
    let (length, again) = read(&anew).ok_or_else(|| TestCaseError::fail(format!("refused: {anew:?}")))?;
    prop_assert_eq!(length, anew.len());
    prop_assert_eq!(said(&again), said(&request));
    Ok(())
}

fn method() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("GET".to_owned()),
        Just("POST".to_owned()),
        "[A-Za-z!#$%&'*+.^_`|~-]{1,12}"
    ]
    .prop_filter("CONNECT has no path", |method| method != "CONNECT")
}

fn target() -> impl Strategy<Value = String> {
    prop_oneof![
        "/[!-\"$-~]{0,60}",
        "http://[a-z0-9.]{1,20}(:[0-9]{1,4})?(/[!-\"$-~]{0,20})?",
        "https://\\[::1\\]\\?[a-z]*"
    ]
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[A-Za-z][A-Za-z0-9_-]{0,20}:[ \t]{0,2}([!-~]([ -~]{0,40}[!-~])?)?[ \t]{0,2}\r\n",
        1 => Just("Connection: keep-alive, x-hop\r\n".to_owned()),
        1 => Just("X-Hop: 1\r\n".to_owned()),
    ]
}

fn framing() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("Transfer-Encoding: chunked\r\n".to_owned()),
        "Content-Length: [0-9]{1,6}\r\n"
    ]
}

fn head(start: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    (
        start,
        prop::collection::vec(line(), 0..8),
        framing(),
        prop::collection::vec(line(), 0..4),
    )
        .prop_map(|(start, before, framing, after)| {
            format!("{start}\r\n{}{framing}{}\r\n", before.concat(), after.concat()).into_bytes()
        })
}

fn request_head() -> impl Strategy<Value = Vec<u8>> {
    head((method(), target()).prop_map(|(method, target)| format!("{method} {target} HTTP/1.1\r\nHost: mill:80")))
}

fn response_head() -> impl Strategy<Value = Vec<u8>> {
    head((200_u16..600, "[ -~]{0,20}").prop_map(|(status, reason)| format!("HTTP/1.1 {status} {reason}")))
}

/// What is put into a good head to make a bad one.
fn poison() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "\n",
        "\r",
        "\0",
        " ",
        "\t",
        ":",
        ",",
        "\r\n",
        "\r\n ",
        "\r\n\r\n",
        "\x0b",
        "\x7f",
        "\u{e9}",
        "\r\nContent-Length: 5",
        "\r\nTransfer-Encoding: chunked",
        "\nTransfer-Encoding: chunked",
        "Transfer-Encoding : chunked\r\n",
        "HTTP/1.0",
        "\r\nHost: other",
        "#",
        "@",
        "[",
        "chunked, ",
        "+",
        "0x",
    ];
    prop_oneof![
        prop::sample::select(known.map(|text| text.as_bytes().to_vec()).to_vec()),
        prop::collection::vec(any::<u8>(), 1..4)
    ]
}

fn poisoned(good: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (
        good,
        prop::collection::vec((any::<prop::sample::Index>(), 0_usize..3, poison()), 1..4),
    )
        .prop_map(|(mut head, edits)| {
            for (place, removed, put) in edits {
                let start = place.index(head.len());
                let end = (start + removed).min(head.len());
                head.splice(start..end, put);
            }
            head
        })
}

type Answer = (u16, ResponseBody, Option<u64>, Lines);

fn read_response(input: &[u8], to: ResponseTo) -> Option<(usize, Answer, BytesMut)> {
    let read = parse_response(input, &HeadLimits::default(), to, |head| {
        let fields = head
            .fields()
            .map(|field| (field.name.to_vec(), field.value.to_vec()))
            .collect();
        (
            (head.status, head.body, head.content_length, fields),
            written_response(head),
        )
    });
    read.ok()?.map(|(length, (answer, anew))| (length, answer, anew))
}

fn written_response(head: &ResponseHead<'_>) -> BytesMut {
    let mut out = BytesMut::new();
    write_status_line(&mut out, head.status, head.reason);
    match (head.body, head.content_length) {
        (ResponseBody::Chunked, _) => write_field(&mut out, b"transfer-encoding", b"chunked"),
        (_, Some(length)) => write_length(&mut out, length),
        _ => {}
    }
    if head.status == 101 {
        write_field(&mut out, b"upgrade", head.upgrade.unwrap_or_default());
    }
    for field in head.fields() {
        field.write(&mut out);
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn assert_response_survives(input: &[u8]) -> Result<(), TestCaseError> {
    for to in [(false, false), (true, false), (false, true)].map(|(head, upgrade)| ResponseTo { head, upgrade }) {
        let Some((_, answer, anew)) = read_response(input, to) else {
            continue;
        };
        let again = read_response(&anew, to).ok_or_else(|| TestCaseError::fail(format!("refused: {anew:?}")))?;
        prop_assert_eq!((again.0, again.1), (anew.len(), answer));
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_request_written_anew_says_the_same(input in request_head()) {
        prop_assume!(read(&input).is_some());
        assert_survives(&input)?;
    }

    #[test]
    fn a_poisoned_request_is_refused_or_harmless(input in poisoned(request_head())) {
        assert_survives(&input)?;
    }

    #[test]
    fn a_response_written_anew_says_the_same(input in response_head()) {
        prop_assume!(read_response(&input, ResponseTo::default()).is_some());
        assert_response_survives(&input)?;
    }

    #[test]
    fn a_poisoned_response_is_refused_or_harmless(input in poisoned(response_head())) {
        assert_response_survives(&input)?;
    }

    #[test]
    fn any_bytes_are_borne(input in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_survives(&input)?;
        assert_response_survives(&input)?;
    }

    #[test]
    fn a_part_of_an_acceptable_head_is_waited_for(input in request_head(), part in any::<prop::sample::Index>()) {
        prop_assume!(read(&input).is_some());
        let part = &input[..part.index(input.len())];
        prop_assert_eq!(parse_request(part, &HeadLimits::default(), &mut Request::new()), Ok(None));
    }

    #[test]
    fn what_follows_a_head_changes_nothing(input in request_head(), rest in prop::collection::vec(any::<u8>(), 0..50)) {
        let whole = [input.clone(), rest].concat();
        let alone = read(&input).map(|(length, request)| (length, said(&request)));
        prop_assert_eq!(read(&whole).map(|(length, request)| (length, said(&request))), alone);
    }
}
