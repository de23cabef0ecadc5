"""What is refused at the public port, as bytes: answered with an error and closed, and no server sees any of it.

Each request is followed by a good one, which must not be served either: after bytes that cannot be trusted nobody
knows where the next request begins.
"""

from __future__ import annotations

import json

import pytest

from .app_server import echoes
from .wire import eventually, request

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n"


def get(*fields: str) -> bytes:
    return request("GET", "/", *fields)


def post(*fields: str, body: bytes = b"0\r\n\r\n") -> bytes:
    return request("POST", "/", *fields, body=body)


def line(text: str | bytes) -> bytes:
    """A request with this first line."""
    return (text if isinstance(text, bytes) else text.encode("latin-1")) + b"\r\nHost: app.test\r\n\r\n"


def hosts(*hosts: str) -> bytes:
    return "\r\n".join(["GET / HTTP/1.1", *(f"Host: {host}" for host in hosts), "", ""]).encode("latin-1")


FRAMING = {
    "length-and-coding": post("Content-Length: 5", "Transfer-Encoding: chunked"),
    "coding-and-length": post("Transfer-Encoding: chunked", "Content-Length: 5"),
    "length-and-coding-identity": post("Content-Length: 5", "Transfer-Encoding: identity"),
    "lengths-differ": post("Content-Length: 5", "Content-Length: 6"),
    "length-twice": post("Content-Length: 5", "Content-Length: 5"),
    "length-list": post("Content-Length: 5, 5"),
    "length-list-differs": post("Content-Length: 5, 6"),
    "length-plus": post("Content-Length: +5"),
    "length-minus": post("Content-Length: -5"),
    "length-empty": post("Content-Length:"),
    "length-hex": post("Content-Length: 0x5"),
    "length-word": post("Content-Length: five"),
    "length-space": post("Content-Length: 5 5"),
    "length-underscore": post("Content-Length: 1_0"),
    "length-decimal": post("Content-Length: 5.0"),
    "length-comma": post("Content-Length: 5,"),
    "length-overflow": post("Content-Length: 18446744073709551621"),
    "length-endless": post("Content-Length: " + "9" * 100),
    "length-vertical-tab": post("Content-Length: \x0b5"),
    "length-arabic-digit": post("Content-Length: \xd9\xa5"),
    "coding-unknown": post("Transfer-Encoding: gzip"),
    "coding-unknown-first": post("Transfer-Encoding: gzip, chunked"),
    "coding-unknown-last": post("Transfer-Encoding: chunked, gzip"),
    "coding-identity": post("Transfer-Encoding: identity"),
    "coding-empty": post("Transfer-Encoding:"),
    "coding-twice": post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "coding-list-twice": post("Transfer-Encoding: chunked, chunked"),
    "coding-not-last": post("Transfer-Encoding: chunked, identity"),
    "coding-two-lines": post("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
    "coding-prefix": post("Transfer-Encoding: xchunked"),
    "coding-suffix": post("Transfer-Encoding: chunkedx"),
    "coding-quoted": post('Transfer-Encoding: "chunked"'),
    "coding-parameter": post("Transfer-Encoding: chunked;q=1"),
    "coding-vertical-tab": post("Transfer-Encoding: \x0bchunked"),
    "coding-comma": post("Transfer-Encoding: ,chunked"),
    "coding-high-byte": post("Transfer-Encoding: chunked\xa0"),
    "coding-space-before-colon": post("Transfer-Encoding : chunked"),
    "coding-folded": post("Transfer-Encoding:\r\n chunked"),
    "coding-in-http-1.0": b"POST / HTTP/1.0\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}

LINES = {
    "bare-lf-everywhere": b"GET / HTTP/1.1\nHost: app.test\n\n",
    "bare-lf-request-line": b"GET / HTTP/1.1\nHost: app.test\r\n\r\n",
    "bare-lf-field": b"GET / HTTP/1.1\r\nHost: app.test\nX: y\r\n\r\n",
    "bare-lf-end": b"GET / HTTP/1.1\r\nHost: app.test\r\n\n",
    "bare-lf-before": b"\nGET / HTTP/1.1\r\nHost: app.test\r\n\r\n",
    "bare-cr-in-value": get("X: a\rb"),
    "bare-cr-injection": get("X: a\rTransfer-Encoding: chunked"),
    "bare-cr-request-line": line("GET /\r HTTP/1.1"),
    "cr-cr-lf": b"GET / HTTP/1.1\r\nHost: app.test\r\r\n\r\n",
    "folded": get("X: a", " b"),
    "folded-tab": get("X: a", "\tb"),
    "folded-empty": get("X: a", " "),
    "space-before-first-field": b"GET / HTTP/1.1\r\n X: y\r\nHost: app.test\r\n\r\n",
    "space-before-colon": get("X : y"),
    "tab-before-colon": get("X\t: y"),
    "name-empty": get(": y"),
    "no-colon": get("Nonsense"),
    "name-with-space": get("X Y: z"),
    "name-with-parenthesis": get("X(Y): z"),
    "name-with-quote": get('"X": z'),
    "name-with-slash": get("X/Y: z"),
    "name-with-high-byte": get("X\xe9: y"),
    "name-with-nul": get("X\0: y"),
    "name-with-del": get("X\x7f: y"),
    "value-with-nul": get("X: a\0b"),
    "value-with-control": get("X: a\x01b"),
    "value-with-vertical-tab": get("X: a\x0bb"),
    "value-with-escape": get("X: a\x1bb"),
    "value-with-del": get("X: a\x7fb"),
}

TARGETS = {
    "version-0.9": b"GET /\r\n",
    "version-missing": line("GET / "),
    "version-lower-case": line("GET / http/1.1"),
    "version-two-digits": line("GET / HTTP/1.10"),
    "version-leading-zero": line("GET / HTTP/01.1"),
    "version-comma": line("GET / HTTP/1,1"),
    "version-word": line("GET / HTTP/x.y"),
    "version-trailing": line("GET / HTTP/1.1 x"),
    "version-trailing-space": line("GET / HTTP/1.1 "),
    "spaces-two": line("GET  / HTTP/1.1"),
    "spaces-two-after": line("GET /  HTTP/1.1"),
    "space-leading": line(" GET / HTTP/1.1"),
    "space-in-target": line("GET /a b HTTP/1.1"),
    "tabs": line("GET\t/\tHTTP/1.1"),
    "method-empty": line(" / HTTP/1.1"),
    "method-with-parenthesis": line("G(T / HTTP/1.1"),
    "method-with-colon": line("GET: / HTTP/1.1"),
    "method-with-nul": line("GE\0T / HTTP/1.1"),
    "method-with-high-byte": line("G\xe9T / HTTP/1.1"),
    "target-missing": line("GET HTTP/1.1"),
    "target-without-slash": line("GET path HTTP/1.1"),
    "target-with-fragment": line("GET /#x HTTP/1.1"),
    "target-with-nul": line("GET /\0 HTTP/1.1"),
    "target-with-control": line("GET /\x01 HTTP/1.1"),
    "target-with-del": line("GET /\x7f HTTP/1.1"),
    "target-asterisk-of-get": line("GET * HTTP/1.1"),
    "target-asterisk-path": line("OPTIONS *x HTTP/1.1"),
    "target-other-scheme": line("GET ftp://app.test/ HTTP/1.1"),
    "target-script": line("GET javascript:alert(1) HTTP/1.1"),
    "target-with-user": line("GET http://user@app.test/ HTTP/1.1"),
    "target-without-host": line("GET http:///path HTTP/1.1"),
    "target-bad-port": line("GET http://app.test:x/ HTTP/1.1"),
    "target-authority-of-get": line("GET app.test:80 HTTP/1.1"),
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}

HOSTS = {
    "host-missing": b"GET / HTTP/1.1\r\n\r\n",
    "host-missing-absolute": b"GET http://app.test/ HTTP/1.1\r\n\r\n",
    "host-twice": hosts("app.test", "app.test"),
    "host-twice-differs": hosts("app.test", "evil.test"),
    "host-twice-in-http-1.0": b"GET / HTTP/1.0\r\nHost: app.test\r\nHost: evil.test\r\n\r\n",
    "host-list": hosts("app.test, evil.test"),
    "host-with-user": hosts("user@app.test"),
    "host-with-space": hosts("app test"),
    "host-with-slash": hosts("app.test/path"),
    "host-with-query": hosts("app.test?x"),
    "host-with-fragment": hosts("app.test#x"),
    "host-with-scheme": hosts("http://app.test"),
    "host-port-word": hosts("app.test:http"),
    "host-port-negative": hosts("app.test:-1"),
    "host-port-too-large": hosts("app.test:99999"),
    "host-ports-two": hosts("app.test:80:80"),
    "host-bracket-open": hosts("[::1"),
    "host-bracket-word": hosts("[app.test]"),
    "host-bracket-trailing": hosts("[::1]x"),
    "host-six-without-brackets": hosts("::1"),
    "host-with-quote": hosts('app".test'),
    "host-with-high-byte": hosts("\xe9.test"),
}

OTHERS = {
    "connect": (b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n", {400, 405, 501}),
    "connect-path": (line("CONNECT / HTTP/1.1"), {400, 405, 501}),
    "http-2-preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    "version-2.0": (line("GET / HTTP/2.0"), {400, 505}),
    "version-3.0": (line("GET / HTTP/3.0"), {400, 505}),
    "expectation": (get("Expect: miracles"), {417}),
    "target-too-long": (line("GET /" + "x" * 9000 + " HTTP/1.1"), {414}),
    "method-too-long": (line("X" * 9000 + " / HTTP/1.1"), {400, 414, 431, 501}),
    "field-too-long": (get("X: " + "y" * 9000), {431}),
    "field-name-too-long": (get("X" * 9000 + ": y"), {431}),
    "fields-too-many": (get(*[f"X-{number}: y" for number in range(101)]), {431}),
    "fields-too-large": (get(*[f"X-{number}: {'y' * 8000}" for number in range(5)]), {431}),
    "body-too-large": (post("Content-Length: 16777217", body=b""), {413}),
}

REFUSED = [
    *(
        pytest.param(data, {400}, id=name)
        for name, data in [*FRAMING.items(), *LINES.items(), *TARGETS.items(), *HOSTS.items()]
    ),
    *(pytest.param(data, statuses, id=name) for name, (data, statuses) in OTHERS.items()),
]


@pytest.fixture(scope="module")
def served(module_balancer):
    """One balancer for all of them: each refused request also shows that the one before did it no harm."""
    return module_balancer(echoes)


@pytest.mark.parametrize(("data", "statuses"), REFUSED)
def test_it_is_refused_and_no_server_sees_it(served, data, statuses):
    proxy, app = served
    before = app.received
    client = proxy.client()
    client.send(data + SMUGGLED)
    response = client.response()
    assert response.status in statuses
    assert response["connection"].lower() == "close"
    assert set(json.loads(response.body)) == {"error", "message"}
    assert client.rest() == b""
    assert app.received == before
    client.close()


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\nHost: app.test\r\nX: " + b"y" * 40_000, b"GET /" + b"x" * 40_000, b"\r\n" * 20_000],
    ids=["field", "target", "empty-lines"],
)
def test_a_head_without_end_is_refused_before_it_ends(served, data):
    proxy, app = served
    before = app.received
    client = proxy.client()
    client.send(data)
    assert client.response().status in {400, 414, 431}
    assert client.rest() == b""
    assert app.received == before
    client.close()


BAD_CHUNKS = {
    "size-prefixed": b"0x5\r\nabcde\r\n",
    "size-plus": b"+5\r\nabcde\r\n",
    "size-minus": b"-5\r\nabcde\r\n",
    "size-space-before": b" 5\r\nabcde\r\n",
    "size-space-after": b"5 \r\nabcde\r\n",
    "size-tab": b"5\t\r\nabcde\r\n",
    "size-underscore": b"1_0\r\n0123456789abcdef\r\n",
    "size-empty": b"\r\nabcde\r\n",
    "size-not-hex": b"g\r\nabcde\r\n",
    "size-overflow": b"10000000000000005\r\nabcde\r\n",
    "size-endless": b"0" * 10_000 + b"5\r\nabcde\r\n",
    "size-lf": b"5\nabcde\r\n",
    "size-cr": b"5\rabcde\r\n",
    "data-lf": b"5\r\nabcde\n",
    "data-cr": b"5\r\nabcde\r",
    "data-longer": b"5\r\nabcdef\r\n",
    "data-unterminated": b"5\r\nabcde",
    "extension-lf": b"5;a\nb\r\nabcde\r\n",
    "extension-cr": b"5;a\rb\r\nabcde\r\n",
    "extension-nul": b"5;a\0b\r\nabcde\r\n",
    "extension-endless": b"5;" + b"a" * 20_000 + b"\r\nabcde\r\n",
    "extensions-many": b"1;aaaaaaaaaaaaaaaa\r\na\r\n" * 2_000,
}
BAD_ENDS = {
    "end-lf": b"0\n\n",
    "end-cr-lf-lf": b"0\r\n\n",
    "trailer-lf": b"0\r\nX: y\n\r\n",
    "trailer-folded": b"0\r\nX: y\r\n z\r\n\r\n",
    "trailer-without-colon": b"0\r\nnonsense\r\n\r\n",
    "trailer-space-before-colon": b"0\r\nX : y\r\n\r\n",
    "trailer-with-nul": b"0\r\nX: a\0b\r\n\r\n",
    "trailer-with-cr": b"0\r\nX: a\rb\r\n\r\n",
    "trailers-many": b"0\r\n" + b"X: y\r\n" * 101 + b"\r\n",
    "trailers-endless": b"0\r\nX: " + b"y" * 40_000,
}


@pytest.mark.parametrize(
    "body",
    [
        *(pytest.param(data + b"0\r\n\r\n" + SMUGGLED, id=name) for name, data in BAD_CHUNKS.items()),
        *(pytest.param(b"1\r\na\r\n" + data + SMUGGLED, id=name) for name, data in BAD_ENDS.items()),
    ],
)
def test_a_chunked_body_that_breaks_the_rules_never_looks_whole(start_server, start_balancer, body):
    app = start_server(echoes)
    client = start_balancer([app]).client()
    client.send(request("POST", "/", "Transfer-Encoding: chunked", body=body))
    response = client.response()
    assert response.status in {400, 413, 431}
    assert client.rest() == b""
    assert eventually(lambda: all(connection.sock.fileno() == -1 for connection in app.connections))
    assert not any(message.complete for message in app.requests)
    assert "/smuggled" not in app.targets
