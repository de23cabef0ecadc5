"""Malformed and smuggling requests to the real verb: an error and a close; none reaches an app server."""

import socket

import pytest

from .stack import Stack

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: a\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

MALFORMED = {
    "length and chunked": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "differing lengths": POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "length list": POST + b"Content-Length: 4, 4\r\n\r\nabcd",
    "length with a sign": POST + b"Content-Length: +4\r\n\r\nabcd",
    "negative length": POST + b"Content-Length: -4\r\n\r\nabcd",
    "hexadecimal length": POST + b"Content-Length: 0x4\r\n\r\nabcd",
    "length beyond 64 bits": POST + b"Content-Length: 18446744073709551616\r\n\r\n",
    "empty length": POST + b"Content-Length:\r\n\r\n",
    "unknown coding": POST + b"Transfer-Encoding: gzip\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "hidden coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding after vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "coding in HTTP/1.0": b"POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before the colon": GET + b"Content-Length : 4\r\n\r\n",
    "tab before the colon": GET + b"Name\t: value\r\n\r\n",
    "folded line": GET + b"Name: value\r\n folded\r\n\r\n",
    "line without a colon": GET + b"Name\r\n\r\n",
    "empty name": GET + b": value\r\n\r\n",
    "NUL in a value": GET + b"Name: a\0b\r\n\r\n",
    "bare CR in a value": GET + b"Name: a\rb\r\n\r\n",
    "control character in a value": GET + b"Name: a\x01b\r\n\r\n",
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "bare LF after a field": b"GET / HTTP/1.1\r\nHost: a\nName: value\r\n\r\n",
    "bare LF at the end": b"GET / HTTP/1.1\r\nHost: a\r\n\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": GET + b"Host: b\r\n\r\n",
    "malformed Host": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "fragment in the target": b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "control character in the target": b"GET /a\x7fb HTTP/1.1\r\nHost: a\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "odd version": b"GET / HTTP/1.9x\r\nHost: a\r\n\r\n",
    "method that is no token": b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
    "space first": b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
}  # fmt: skip

# The head is fine here; what is wrong comes with the body, when the app server may have seen the head.
MALFORMED_BODIES = {
    "chunk size with a sign": b"+4\r\nabcd\r\n0\r\n\r\n",
    "chunk size 0x": b"0x4\r\nabcd\r\n0\r\n\r\n",
    "chunk size beyond 64 bits": b"10000000000000000\r\nabcd",
    "chunk longer than said": b"4\r\nabcdef\r\n0\r\n\r\n",
    "bare LF after the chunk size": b"4\nabcd\r\n0\r\n\r\n",
    "bare LF after the chunk": b"4\r\nabcd\n0\r\n\r\n",
}


@pytest.fixture(scope="module")
def stack(shared: Stack) -> Stack:
    shared.balance("--plain")
    shared.serve("plain:app")
    return shared


def exchange(port: int, sent: bytes) -> bytes:
    """All that comes back until the balancer closes."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        try:
            while part := connection.recv(65536):
                received += part
        except ConnectionResetError:
            pass  # it closed with bytes of ours unread
    return received


def requests(stack: Stack) -> int:
    return stack.servers()[0]["requests"]


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_head_is_refused_and_reaches_no_app_server(stack: Stack, sent: bytes):
    before = requests(stack)
    received = exchange(stack.port, sent + SMUGGLED)
    assert received.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 505 ", b"HTTP/1.1 501 ")), received
    assert received.count(b"HTTP/1.1 ") == 1
    assert b"\r\nconnection: close\r\n" in received.lower()
    assert requests(stack) == before


@pytest.mark.parametrize("body", MALFORMED_BODIES.values(), ids=MALFORMED_BODIES.keys())
def test_a_malformed_body_ends_the_connection_and_smuggles_nothing(stack: Stack, body: bytes):
    received = exchange(stack.port, POST + b"Transfer-Encoding: chunked\r\n\r\n" + body + SMUGGLED)
    assert received.startswith(b"HTTP/1.1 400 "), received
    assert received.count(b"HTTP/1.1 ") == 1


def test_the_app_servers_are_well_after_all_that(stack: Stack):
    with stack.client() as client:
        assert client.post("/echo", content=b"well").content == b"well"
    assert [server["state"] for server in stack.servers()] == ["up"]
