"""Nothing that HTTP/2 lets through may become framing, routing or a second request in HTTP/1.1. RFC 9113, 8."""

from __future__ import annotations

import pytest
from hpack import Encoder
from hyperframe.frame import HeadersFrame

from headrace._core import Tls

from .app_server import answers, echoes
from .http2 import head
from .wire import eventually, reply, request

SMUGGLED = "\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: evil.test\r\n\r\n"


@pytest.fixture(scope="module")
def served(module_balancer, authority, localhost):
    return module_balancer(echoes, tls=Tls([localhost.pair]))


def without(name: str) -> list[tuple[str, str]]:
    return [field for field in head() if field[0] != name]


def replaced(name: str, value: str) -> list[tuple[str, str]]:
    """A head with this pseudo-field in place of its own."""
    return [(key, value if key == name else old) for key, old in head()]


REQUESTS = {
    "value-crlf": head("GET", "/", ("x", f"a{SMUGGLED}")),
    "value-cr": head("GET", "/", ("x", "a\rb")),
    "value-lf": head("GET", "/", ("x", "a\nb")),
    "value-nul": head("GET", "/", ("x", "a\0b")),
    "value-control": head("GET", "/", ("x", "a\x01b")),
    "value-leading-space": head("GET", "/", ("x", " a")),
    "value-trailing-tab": head("GET", "/", ("x", "a\t")),
    "name-crlf": head("GET", "/", (f"x: y{SMUGGLED}", "z")),
    "name-colon": head("GET", "/", ("x: y", "z")),
    "name-space": head("GET", "/", ("x y", "z")),
    "name-nul": head("GET", "/", ("x\0", "z")),
    "name-empty": head("GET", "/", ("", "z")),
    "name-upper-case": head("GET", "/", ("X-Upper", "z")),
    "name-high-byte": head("GET", "/", ("x\xe9", "z")),
    "method-crlf": replaced(":method", f"GET / HTTP/1.1{SMUGGLED}"),
    "method-space": replaced(":method", "GET /smuggled HTTP/1.1\r\nX:"),
    "method-empty": replaced(":method", ""),
    "method-missing": without(":method"),
    "method-twice": [*head(), (":method", "GET")],
    "method-connect": [(":method", "CONNECT"), (":authority", "app.test:443")],
    "method-connect-protocol": [*replaced(":method", "CONNECT"), (":protocol", "websocket")],
    "path-crlf": replaced(":path", f"/ HTTP/1.1{SMUGGLED}"),
    "path-space": replaced(":path", "/ HTTP/1.1 /"),
    "path-nul": replaced(":path", "/\0"),
    "path-empty": replaced(":path", ""),
    "path-missing": without(":path"),
    "path-twice": [*head(), (":path", "/smuggled")],
    "path-without-slash": replaced(":path", "path"),
    "path-absolute": replaced(":path", "http://evil.test/"),
    "path-asterisk-of-get": replaced(":path", "*"),
    "scheme-missing": without(":scheme"),
    "scheme-crlf": replaced(":scheme", f"https{SMUGGLED}"),
    "scheme-url": replaced(":scheme", "https://evil.test/?"),
    "scheme-twice": [*head(), (":scheme", "http")],
    "authority-crlf": replaced(":authority", f"app.test{SMUGGLED}"),
    "authority-space": replaced(":authority", "app test"),
    "authority-user": replaced(":authority", "user@app.test"),
    "authority-path": replaced(":authority", "app.test/x"),
    "authority-port": replaced(":authority", "app.test:x"),
    "authority-list": replaced(":authority", "app.test, evil.test"),
    "authority-missing": without(":authority"),
    "authority-twice": [*head(), (":authority", "evil.test")],
    "authority-against-host": head("GET", "/", ("host", "evil.test")),
    "host-twice": [*without(":authority"), ("host", "app.test"), ("host", "evil.test")],
    "pseudo-unknown": [*head(), (":evil", "x")],
    "pseudo-of-response": [*head(), (":status", "200")],
    "pseudo-after-field": [*head()[:3], ("x", "y"), head()[3]],
    "connection": head("GET", "/", ("connection", "close")),
    "keep-alive": head("GET", "/", ("keep-alive", "timeout=5")),
    "proxy-connection": head("GET", "/", ("proxy-connection", "keep-alive")),
    "upgrade": head("GET", "/", ("upgrade", "websocket")),
    "transfer-encoding": head("POST", "/", ("transfer-encoding", "chunked")),
    "transfer-encoding-identity": head("POST", "/", ("transfer-encoding", "identity")),
    "te-other": head("GET", "/", ("te", "gzip")),
    "length-word": head("POST", "/", ("content-length", "five")),
    "length-plus": head("POST", "/", ("content-length", "+5")),
    "length-empty": head("POST", "/", ("content-length", "")),
    "length-list": head("POST", "/", ("content-length", "5, 5")),
    "length-twice": head("POST", "/", ("content-length", "5"), ("content-length", "6")),
    "length-overflow": head("POST", "/", ("content-length", "18446744073709551621")),
    "length-without-body": head("POST", "/", ("content-length", "5")),
}


@pytest.mark.parametrize("fields", [pytest.param(fields, id=name) for name, fields in REQUESTS.items()])
def test_it_is_refused_and_no_server_sees_it(served, fields):
    """By a reset (a stream error) or a 4xx or 501; the connection and its other streams may go on."""
    proxy, app = served
    before = app.received
    client = proxy.http2()
    response = client.response(client.start(fields))
    assert response.reset is not None or client.closed or client.goaway or response.status in {400, 405, 501}
    assert proxy.http2().get("/polite").body == b"/polite"
    seen = app.received[len(before) :]
    assert seen.count(b" HTTP/1.1\r\n") == 1
    assert seen.startswith(b"GET /polite ")


@pytest.mark.parametrize("length", ["3", "10"])
def test_a_length_that_disagrees_with_the_data_never_looks_whole(start_server, start_balancer, tls, length):
    app = start_server(echoes)
    client = start_balancer([app], tls=tls).http2()
    stream = client.start(head("POST", "/", ("content-length", length)), end=False)
    client.data(stream, b"hello", end=True)
    response = client.response(stream)
    assert not response.ended or response.status == 400
    assert eventually(lambda: all(connection.sock.fileno() == -1 for connection in app.connections))
    assert not any(message.complete for message in app.requests)


def test_the_rest_of_a_longer_body_is_no_request(start_server, start_balancer, tls):
    app = start_server(echoes)
    proxy = start_balancer([app], tls=tls)
    client = proxy.http2()
    stream = client.start(head("POST", "/", ("content-length", "0")), end=False)
    client.data(stream, request("GET", "/smuggled"), end=True)
    client.response(stream)
    assert proxy.http2().get("/polite").body == b"/polite"
    assert "/smuggled" not in app.targets


@pytest.mark.parametrize(
    "trailers",
    [
        [("x", "a\r\nb: c")],
        [("x: y", "z")],
        [(":path", "/smuggled")],
        [("X-Upper", "y")],
        [("connection", "x")],
        [("transfer-encoding", "chunked")],
    ],
    ids=["crlf", "colon", "pseudo", "upper-case", "connection", "coding"],
)
def test_bad_trailers_never_reach_the_server(start_server, start_balancer, tls, trailers):
    app = start_server(echoes)
    client = start_balancer([app], tls=tls).http2()
    stream = client.start(head("POST"), end=False)
    client.data(stream, b"abc")
    client.trailers(stream, trailers)
    response = client.response(stream)
    assert not response.ended or response.status in {200, 400}
    for name in (b"b: c", b"x: y", b"smuggled", b"Upper", b"upper", b"connection: x"):
        assert name not in app.received.lower()
    assert app.received.lower().count(b"transfer-encoding") <= 1


def test_a_connect_does_not_open_a_tunnel(served):
    proxy, _ = served
    client = proxy.http2()
    stream = client.start([(":method", "CONNECT"), (":authority", "app.test:443")], end=False)
    response = client.response(stream)
    assert response.reset is not None or response.status in {400, 405, 501}


def test_a_head_over_the_limits_is_refused(served):
    proxy, app = served
    before = app.received
    for fields in ([(f"x-{number}", "y") for number in range(200)], [("x", "y" * 9000)], [("x" * 9000, "y")]):
        client = proxy.http2()
        response = client.get("/", *fields)
        assert response.reset is not None or client.closed or client.goaway or response.status == 431
    assert app.received == before


def test_a_target_over_the_limit_is_refused(served):
    proxy, app = served
    before = app.received
    client = proxy.http2()
    response = client.get("/" + "x" * 9000)
    assert response.reset is not None or client.closed or response.status in {414, 431}
    assert app.received == before


def test_a_small_head_that_unpacks_to_a_large_one_is_refused(served):
    """HPACK makes 40 KB of one indexed byte each: the limits count what it unpacks to."""
    proxy, app = served
    before = app.received
    client = proxy.http2()
    block = Encoder().encode([*head(), ("x", "y" * 3000)])
    frame = HeadersFrame(1, data=block + b"\xbe" * 3000)
    frame.flags.add("END_HEADERS")
    frame.flags.add("END_STREAM")
    client.frames(frame)
    client.until(lambda: client.closed or client.goaway is not None or client.replies[1].over)
    assert not client.replies[1].fields or client.replies[1].status == 431
    assert app.received == before


def test_a_response_field_cannot_break_http_2(start_server, start_balancer, tls):
    """What HTTP/1.1 allows in a value is allowed here too; the rest was refused before."""
    app = start_server(answers(reply(b"ok", "X-Odd: a\tb  c", "X-Empty:")))
    response = start_balancer([app], tls=tls).http2().get()
    assert (response["x-odd"], response["x-empty"]) == ("a\tb  c", "")
