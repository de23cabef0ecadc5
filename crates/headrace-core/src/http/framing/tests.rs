//! What is decoded and what is refused, by example.

use super::{
    size_line::{EXTENSION_BYTES, SIZE_DIGITS},
    *,
};

const LIMITS: HeadLimits = HeadLimits {
    line: 100,
    bytes: 400,
    count: 3,
};

/// Body, trailers as lines, and what is left of the input.
type Seen = (String, String, String);

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn chunked(input: &str) -> Result<Option<Seen>, FramingError> {
    let (mut input, mut output) = (BytesMut::from(input), BytesMut::new());
    let mut decoder = Decoder::chunked(LIMITS);
    Ok((decoder.decode(&mut input, &mut output)? == Decoded::End).then(|| {
        let mut trailers = BytesMut::new();
        decoder
            .trailers()
            .into_iter()
            .flat_map(Fields::iter)
            .for_each(|field| field.write(&mut trailers));
        (text(&output), text(&trailers), text(&input))
    }))
}

#[test]
fn a_length_is_counted_down() {
    let mut decoder = Decoder::length(6);
    let (mut input, mut output) = (BytesMut::from("mill"), BytesMut::new());
    assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::Data));
    assert_eq!(
        (&output[..], decoder.remaining(), decoder.on_eof()),
        (&b"mill"[..], Some(2), Err(FramingError::CutOff))
    );
    assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::More));
    input.extend_from_slice(b"erGET");
    assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::End));
    assert_eq!((&output[..], &input[..]), (&b"miller"[..], &b"GET"[..]));
    assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::End));
    assert!(decoder.is_done() && decoder.on_eof().is_ok() && &input[..] == b"GET");
}

#[test]
fn no_body_takes_nothing() {
    for mut decoder in [Decoder::none(), Decoder::length(0)] {
        let (mut input, mut output) = (BytesMut::from("GET"), BytesMut::new());
        assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::End));
        assert_eq!(
            (&output[..], &input[..], decoder.remaining()),
            (&b""[..], &b"GET"[..], Some(0))
        );
    }
}

#[test]
fn only_the_end_of_the_connection_ends_until_close() {
    let mut decoder = Decoder::until_close();
    let (mut input, mut output) = (BytesMut::from("all"), BytesMut::new());
    assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::Data));
    assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::More));
    assert!(!decoder.is_done() && decoder.remaining().is_none());
    assert!(decoder.on_eof().is_ok() && decoder.is_done());
    assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::End));
}

#[test]
fn whole_buffers_change_hands_without_a_copy() {
    let (mut input, mut output) = (BytesMut::from("mill"), BytesMut::new());
    let place = input.as_ptr();
    assert_eq!(Decoder::length(9).decode(&mut input, &mut output), Ok(Decoded::Data));
    assert_eq!((output.as_ptr(), input.len()), (place, 0));
}

#[test]
fn chunks_are_joined() {
    for (input, body, trailers, left) in [
        ("0\r\n\r\n", "", "", ""),
        ("4\r\nmill\r\n0\r\n\r\n", "mill", "", ""),
        ("4\r\nmill\r\n2\r\ner\r\n000\r\n\r\nGET", "miller", "", "GET"),
        (
            "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
            "01234567890123456789",
            "",
            "",
        ),
        ("0000000000000002\r\n\r\n\r\n0\r\n\r\n", "\r\n", "", ""),
        ("2;a\r\nab\r\n0;b=c\r\n\r\n", "ab", "", ""),
        ("2 ; a = \"b;\\\"c\\\\\" ;d=e\r\nab\r\n0\r\n\r\n", "ab", "", ""),
        (
            "0\r\nX-Sum:1\r\nGrpc-Status: 0\r\n\r\nGET",
            "",
            "X-Sum: 1\r\nGrpc-Status: 0\r\n",
            "GET",
        ),
    ] {
        let expected = (body.to_owned(), trailers.to_owned(), left.to_owned());
        assert_eq!(chunked(input), Ok(Some(expected)), "{input:?}");
    }
}

#[test]
fn trailers_that_come_too_late_are_dropped() {
    for name in [
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "Authorization",
        "Set-Cookie",
        "Content_Length",
    ] {
        let input = format!("0\r\n{name}: 1\r\n\r\n");
        assert_eq!(chunked(&input), Ok(Some(Seen::default())), "{input:?}");
    }
    let input = "0\r\nTrailer: a\r\nX-A: b\r\nConnection: close\r\n\r\n";
    assert_eq!(
        chunked(input),
        Ok(Some((String::new(), "X-A: b\r\n".to_owned(), String::new())))
    );
}

#[test]
fn malformed_chunks_are_refused() {
    for input in [
        "\r\n",
        "\n",
        "0x4\r\n",
        "+4\r\n",
        "-4\r\n",
        " 4\r\n",
        "4 \r\n",
        "4\t\r\n",
        "4_0\r\n",
        "4h\r\n",
        "g\r\n",
        ";a\r\n",
        "4\n",
        "4\rmill",
        "4;\r\n",
        "4;a\n",
        "4;=b\r\n",
        "4;a=\r\n",
        "4;a=\"b\r\n",
        "4;a b\r\n",
        "4;a \r\n",
        "4;a=\"b\"c\r\n",
        "4;\x01\r\n",
        "4;a\rb\r\n",
        "4,a\r\n",
        "00000000000000004\r\n",
        "fffffffffffffffff\r\n",
        "4\r\nmillx",
        "4\r\nmill\n",
        "4\r\nmill\rx",
        "4\r\nmill0\r\n\r\n",
        "4\r\nmill\r\n\r\n",
        "0\r\n\n",
        "0\r\n\rx",
        "0\r\nA: b\n\r\n",
        "0\r\nA: b\r\n\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\n A: b\r\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\nA: \0\r\n\r\n",
        "0\r\nGET / HTTP/1.1\r\n\r\n",
    ] {
        let result = chunked(&format!("{input}\r\n"));
        assert!(
            matches!(result, Err(FramingError::Malformed(_))),
            "{input:?}: {result:?}"
        );
    }
}

#[test]
fn extensions_and_trailers_are_limited() {
    let long = "a".repeat(EXTENSION_BYTES + SIZE_DIGITS);
    assert!(chunked(&format!("4;{long}")).is_err());
    let short = "a".repeat(EXTENSION_BYTES - 2);
    let chunks = |count| format!("1;{short}\r\na\r\n").repeat(count) + "0\r\n\r\n";
    assert!(chunked(&chunks(10)).is_ok_and(|seen| seen.is_some()));
    assert!(chunked(&chunks(20)).is_err());
    assert!(chunked(&format!("0\r\n{}", "A: b\r\n".repeat(3))).is_ok());
    for trailers in [
        "A: b\r\n".repeat(4) + "\r\n",
        format!("A: {}", "b".repeat(110)),
        format!("{}: b", "a".repeat(110)),
    ] {
        assert!(chunked(&format!("0\r\n{trailers}")).is_err(), "{trailers:?}");
    }
}

#[test]
fn the_largest_size_is_taken_at_its_word() {
    let mut decoder = Decoder::chunked(LIMITS);
    let (mut input, mut output) = (BytesMut::from("ffffffffffffffff\r\nmill"), BytesMut::new());
    assert_eq!(decoder.decode(&mut input, &mut output), Ok(Decoded::Data));
    assert_eq!(
        (&output[..], decoder.on_eof()),
        (&b"mill"[..], Err(FramingError::CutOff))
    );
}

#[test]
fn chunks_are_written_as_they_are_read() {
    let mut trailers = Fields::new();
    trailers.push(b"x-sum", b"1");
    trailers.push(b"content-length", b"1");
    let mut out = BytesMut::new();
    for length in [1, 9, 15, 16, 255, 256, 4096, 65535, 65536] {
        encode_chunk(&mut out, &vec![b'x'; length]);
        assert!(out.starts_with(format!("{length:x}\r\nx").as_bytes()), "{length}");
        encode_last_chunk(&mut out, Some(&trailers));
        let seen = chunked(&text(&out)).expect("well-formed").expect("complete");
        assert_eq!(
            (seen.0.len(), seen.1.as_str(), seen.2.as_str()),
            (length, "x-sum: 1\r\n", "")
        );
        out.clear();
    }
    encode_chunk(&mut out, b"");
    assert!(out.is_empty());
}
