"""App servers are not trusted: what is not a whole, valid response is a 502 or visibly broken, never shown as whole.

Nothing of one response, nor anything a server says unasked, reaches another request.
"""

from __future__ import annotations

import threading

import pytest

from .app_server import Connection, answers, answers_once, echoes
from .wire import PATIENCE, eventually, reply, request

OK = b"HTTP/1.1 200 OK\r\n"
BODY = b"\r\n\r\nhello"


def ok(*fields: bytes, body: bytes = b"hello") -> bytes:
    return OK + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


BAD_HEADS = {
    "nothing": b"",
    "garbage": b"\x00\x01\x02\x03" * 50,
    "http-0.9": b"<html>hello</html>",
    "cut-status-line": b"HTTP/1.1 20",
    "cut-head": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
    "status-word": b"HTTP/1.1 abc OK\r\nContent-Length: 5" + BODY,
    "status-two-digits": b"HTTP/1.1 99 X\r\nContent-Length: 5" + BODY,
    "status-four-digits": b"HTTP/1.1 2000 X\r\nContent-Length: 5" + BODY,
    "status-zero": b"HTTP/1.1 000 X\r\nContent-Length: 5" + BODY,
    "status-missing": b"HTTP/1.1\r\nContent-Length: 5" + BODY,
    "status-negative": b"HTTP/1.1 -20 X\r\nContent-Length: 5" + BODY,
    "version-missing": b"200 OK\r\nContent-Length: 5" + BODY,
    "version-2": b"HTTP/2.0 200 OK\r\nContent-Length: 5" + BODY,
    "version-lower-case": b"http/1.1 200 OK\r\nContent-Length: 5" + BODY,
    "other-protocol": b"ICY 200 OK\r\nContent-Length: 5" + BODY,
    "no-space": b"HTTP/1.1200 OK\r\nContent-Length: 5" + BODY,
    "reason-with-nul": b"HTTP/1.1 200 O\0K\r\nContent-Length: 5" + BODY,
    "bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    "bare-lf-field": ok(b"Content-Length: 5\nX: y"),
    "bare-cr": ok(b"Content-Length: 5", b"X: a\rb"),
    "folded": ok(b"X: a", b" b", b"Content-Length: 5"),
    "space-before-colon": ok(b"Content-Length : 5"),
    "space-before-name": ok(b" X: y", b"Content-Length: 5"),
    "no-colon": ok(b"Nonsense", b"Content-Length: 5"),
    "name-empty": ok(b": y", b"Content-Length: 5"),
    "name-with-space": ok(b"X Y: z", b"Content-Length: 5"),
    "name-with-high-byte": ok(b"X\xe9: z", b"Content-Length: 5"),
    "value-with-nul": ok(b"X: a\0b", b"Content-Length: 5"),
    "value-with-control": ok(b"X: a\x01b", b"Content-Length: 5"),
    "length-and-coding": ok(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
    "coding-and-length": ok(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"5\r\nhello\r\n0\r\n\r\n"),
    "lengths-differ": ok(b"Content-Length: 5", b"Content-Length: 6"),
    "length-list-differs": ok(b"Content-Length: 5, 6"),
    "length-plus": ok(b"Content-Length: +5"),
    "length-minus": ok(b"Content-Length: -5"),
    "length-empty": ok(b"Content-Length:"),
    "length-word": ok(b"Content-Length: five"),
    "length-overflow": ok(b"Content-Length: 18446744073709551621"),
    "coding-unknown": ok(b"Transfer-Encoding: gzip"),
    "coding-not-last": ok(b"Transfer-Encoding: chunked, gzip", body=b"5\r\nhello\r\n0\r\n\r\n"),
    "coding-twice": ok(b"Transfer-Encoding: chunked, chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
    "coding-in-http-1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "switch-unasked": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello",
    "interim-malformed": b"HTTP/1.1 103 Early Hints\r\nX : y\r\n\r\n" + reply(b"hello"),
    "interim-only": b"HTTP/1.1 100 Continue\r\n\r\n",
    "fields-too-many": ok(*[b"X: y"] * 2_000, b"Content-Length: 5"),
    "field-too-long": ok(b"X: " + b"y" * 200_000, b"Content-Length: 5"),
}


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in BAD_HEADS.items()])
def test_a_response_that_cannot_be_understood_is_a_502(start_server, start_balancer, data):
    client = start_balancer([start_server(answers_once(data))]).client()
    response = client.exchange("POST", "/", "Content-Length: 0")
    assert response.status == 502
    assert b"hello" not in client.received


def test_a_client_is_not_blamed_for_a_bad_response(start_server, start_balancer):
    """The request was whole, so its connection goes on."""
    client = start_balancer([start_server(answers_once(b"garbage\r\n\r\n"))]).client()
    assert [client.get().status, client.get().status] == [502, 502]


def test_an_endless_head_is_a_502(start_server, start_balancer):
    def endless(connection: Connection) -> None:
        connection.request()
        connection.send(OK)
        while True:
            connection.send(b"X: " + b"y" * 1000 + b"\r\n")

    assert start_balancer([start_server(endless)]).client().get().status == 502


def test_endless_interim_responses_end_in_a_502(start_server, start_balancer):
    def endless(connection: Connection) -> None:
        connection.request()
        while True:
            connection.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)

    client = start_balancer([start_server(endless)], options={"response_timeout": 2.0}).client()
    assert client.get().status in {502, 504}


def test_a_head_that_drips_is_a_504(start_server, start_balancer):
    """The deadline is for the whole head: each byte in time does not save it."""

    def drips(connection: Connection) -> None:
        connection.request()
        for byte in ok(b"X: " + b"y" * 2000, b"Content-Length: 5"):
            connection.send(bytes([byte]))
            threading.Event().wait(0.02)

    client = start_balancer([start_server(drips)], options={"response_timeout": 0.4}).client()
    assert client.get().status == 504


BROKEN_BODIES = {
    "length-short": ok(b"Content-Length: 10"),
    "length-none": ok(b"Content-Length: 10", body=b""),
    "chunks-cut": ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n"),
    "chunk-cut": ok(b"Transfer-Encoding: chunked", body=b"a\r\nhello"),
    "chunk-end-cut": ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n"),
    "chunk-size-malformed": ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\nx\r\nhello\r\n0\r\n\r\n"),
    "chunk-size-lf": ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n1\nx\r\n0\r\n\r\n"),
    "chunk-size-overflow": ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n10000000000000001\r\nx\r\n0\r\n\r\n"),
    "chunk-longer": ok(b"Transfer-Encoding: chunked", body=b"5\r\nhelloX\r\n0\r\n\r\n"),
    "chunk-trailer-malformed": ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\nX : y\r\n\r\n"),
    "chunk-extension-lf": ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n1;a\nb\r\nx\r\n0\r\n\r\n"),
}
BROKEN = [pytest.param(data, id=name) for name, data in BROKEN_BODIES.items()]


@pytest.mark.parametrize("data", BROKEN)
def test_a_body_that_breaks_off_is_visibly_broken(start_server, start_balancer, data):
    """It may also be a 502 where the break was there before anything was sent."""
    client = start_balancer([start_server(answers_once(data))]).client()
    response = client.exchange("POST", "/", "Content-Length: 0")
    assert response.status == 502 or not response.complete


@pytest.mark.parametrize("data", BROKEN)
def test_a_body_that_breaks_off_is_visibly_broken_for_http_1_0(start_server, start_balancer, data):
    """Where close is the end of the body, only a reset can tell that it was not."""
    client = start_balancer([start_server(answers_once(data))]).client()
    client.send(b"POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
    response = client.response()
    assert response.status == 502 or not response.complete


@pytest.mark.parametrize("data", BROKEN)
def test_a_body_that_breaks_off_resets_its_http_2_stream(start_server, start_balancer, tls, data):
    client = start_balancer([start_server(answers_once(data))], tls=tls).http2()
    response = client.get()
    assert response.fields
    assert response.status == 502 or not response.ended
    assert client.goaway is None


def test_a_reset_is_not_the_end_of_a_body_until_close(start_server, start_balancer):
    sent = threading.Event()

    def resets(connection: Connection) -> None:
        connection.request()
        connection.send(ok())
        assert sent.wait(PATIENCE)
        connection.reset()

    client = start_balancer([start_server(resets)]).client()
    client.send(request("GET", "/"))
    assert eventually(lambda: client.readable(0.1))
    sent.set()
    assert not client.response().complete


def test_a_body_that_stalls_is_cut(start_server, start_balancer):
    def stalls(connection: Connection) -> None:
        connection.request()
        connection.send(ok(b"Content-Length: 10"))
        connection.some()

    client = start_balancer([start_server(stalls)], options={"stream_idle_timeout": 0.3}).client()
    response = client.get()
    assert (response.body, response.complete) == (b"hello", False)


POISON = reply(b"poison")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("first", "expected"),
    [
        pytest.param(reply(b"hello"), b"hello", id="length"),
        pytest.param(ok(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"), b"hello", id="chunked"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", b"", id="no-content"),
        pytest.param(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"", id="not-modified"),
    ],
)
def test_bytes_after_a_response_reach_nobody(start_server, start_balancer, method, first, expected):
    app = start_server(answers(first + POISON, reply(b"second")))
    client = start_balancer([app]).client()
    assert client.exchange(method, "/1", "Content-Length: 0").body == expected
    response = client.exchange(method, "/2", "Content-Length: 0")
    assert response.body == expected
    assert b"poison" not in client.received
    assert len(app.connections) == 2


def test_a_body_after_head_reaches_nobody(start_server, start_balancer):
    client = start_balancer([start_server(answers(reply(b"hello")))]).client()
    client.exchange("HEAD", "/")
    assert client.get("/").body == b"hello"
    assert client.received.count(b"hello") == 1


def test_bytes_on_an_idle_connection_reach_nobody(start_server, start_balancer):
    poisoned = threading.Event()

    def poisons(connection: Connection) -> None:
        connection.request()
        connection.send(reply(b"hello"))
        if connection.index == 0:
            connection.send(POISON)
            poisoned.set()
        while connection.request():
            connection.send(reply(b"hello"))

    app = start_server(poisons)
    client = start_balancer([app]).client()
    assert client.get("/1").body == b"hello"
    assert poisoned.wait(PATIENCE)
    assert client.get("/2").body == b"hello"
    assert b"poison" not in client.received


def test_a_cut_response_leaves_the_next_request_alone(start_server, start_balancer):
    def breaks_first(connection: Connection) -> None:
        connection.request()
        connection.send(ok(b"Content-Length: 10") if connection.index == 0 else reply(b"whole"))

    proxy = start_balancer([start_server(breaks_first)])
    assert not proxy.client().get().complete
    assert proxy.client().get().body == b"whole"


def test_a_pipelined_request_is_not_answered_with_another_s_response(start_server, start_balancer):
    client = start_balancer([start_server(answers(reply(b"1") + reply(b"2") + reply(b"3")))]).client()
    client.send(request("GET", "/a") + request("GET", "/b"))
    assert [client.response().body, client.response().body] == [b"1", b"1"]


@pytest.mark.parametrize("lengths", [b"Content-Length: 5\r\nContent-Length: 5", b"Content-Length: 5, 5"])
def test_a_length_that_is_repeated_is_passed_once_or_refused(start_server, start_balancer, lengths):
    response = start_balancer([start_server(answers_once(ok(lengths)))]).client().post(b"")
    assert response.status == 502 or (response.all("content-length"), response.body) == (["5"], b"hello")


def test_a_server_that_answers_before_the_request_is_there_harms_nobody(start_server, start_balancer):
    def hasty(connection: Connection) -> None:
        connection.send(reply(b"hasty"))
        while connection.request():
            connection.send(reply(b"right"))

    client = start_balancer([start_server(hasty), start_server(echoes)]).client()
    for number in range(6):
        response = client.get(f"/{number}")
        assert response.status == 502 or response.body in {b"hasty", b"right", b"/%d" % number}
