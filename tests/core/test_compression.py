"""Responses are compressed for who accepts it: which, how their heads change, and that nothing waits or gets lost."""

from __future__ import annotations

import contextlib
import random
import threading

import pytest

from headrace._core import Route

from .app_server import answers, answers_once
from .compressing import ALL, HTML, PAGE, Decoder, decode, page, plain
from .wire import PATIENCE, Client, chunked, eventually, reply, request

COMPRESSED = [Route("web", compressed=True)]
CODINGS = ["zstd", "br", "gzip"]
CHUNKED = f"HTTP/1.1 200 OK\r\n{HTML}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


@pytest.fixture
def ask(start_server, start_balancer):
    """Asks through a balancer an app server that answers with these bytes."""

    def ask(answer: bytes, *fields: str, method: str = "GET"):
        proxy = start_balancer([start_server(answers(answer))], routes=COMPRESSED)
        return proxy.client().exchange(method, "/", *fields)

    return ask


@pytest.fixture
def client_of():
    """Connections to an address, closed at the end."""
    with contextlib.ExitStack() as stack:
        yield lambda address: stack.enter_context(contextlib.closing(Client(address)))


@pytest.mark.parametrize("coding", CODINGS)
def test_a_page_comes_compressed_in_the_coding_that_is_accepted(ask, coding):
    response = ask(reply(PAGE, HTML), f"Accept-Encoding: {coding}")
    assert response["content-encoding"] == coding
    assert response["vary"] == "Accept-Encoding"
    assert response["content-type"] == "text/html; charset=utf-8"
    assert "content-length" not in response
    assert decode(coding, response.body) == PAGE
    assert len(response.body) < len(PAGE) / 3


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip, deflate, br, zstd", "zstd"), ("gzip;q=1, br;q=0.1", "br"), ("gzip;q=0, *", None), ("identity", None)],
)
def test_the_best_of_what_is_accepted_is_taken(ask, accepted, coding):
    response = ask(reply(PAGE, HTML), f"Accept-Encoding: {accepted}")
    assert response.all("content-encoding") == ([coding] if coding else [])
    assert plain(response) == PAGE


def test_who_accepts_nothing_gets_it_as_it_is_and_is_told_of_others(ask):
    response = ask(reply(PAGE, HTML, 'ETag: "a"', "Accept-Ranges: bytes", "Vary: Cookie"))
    assert response.body == PAGE
    assert response["content-length"] == str(len(PAGE))
    assert (response["etag"], response["accept-ranges"]) == ('"a"', "bytes")
    assert response["vary"] == "Cookie, Accept-Encoding"


def test_the_head_says_nothing_any_more_of_the_servers_bytes(ask):
    response = ask(reply(PAGE, HTML, 'ETag: "a"', "Accept-Ranges: bytes", "Vary: Cookie", "X-Own: 1"), ALL)
    assert response["etag"] == 'W/"a"'
    assert response["vary"] == "Cookie, Accept-Encoding"
    assert "accept-ranges" not in response
    assert response["x-own"] == "1"


@pytest.mark.parametrize(
    "answer",
    [
        reply(PAGE[:1023], HTML),
        reply(PAGE, "Content-Type: image/png"),
        reply(PAGE),
        reply(PAGE, HTML, "Content-Encoding: gzip"),
        reply(PAGE, HTML, "Cache-Control: no-transform"),
        reply(PAGE, HTML, "Repr-Digest: sha-256=:AAAA:"),
        reply(PAGE, "Content-Type: text/event-stream"),
        reply(PAGE, "Content-Type: application/grpc+proto"),
        reply(PAGE, HTML, "Content-Range: bytes 0-9/10", status="206 Partial Content"),
    ],
)
def test_what_is_not_to_be_changed_comes_as_it_is(ask, answer):
    response = ask(answer, ALL)
    assert response.raw_head.count(b"ncoding") == answer.count(b"ncoding")
    assert response["content-length"] == str(len(response.body))
    assert "vary" not in response
    assert PAGE.startswith(response.body)


@pytest.mark.parametrize("field", ["Range: bytes=0-9", "Cache-Control: no-transform"])
def test_who_wants_the_servers_own_bytes_gets_them(ask, field):
    response = ask(reply(PAGE, HTML), ALL, field)
    assert response.body == PAGE
    assert response["vary"] == "Accept-Encoding"


def test_a_client_of_http_1_0_gets_it_as_it_is(start_server, start_balancer):
    client = start_balancer([start_server(answers(reply(PAGE, HTML)))], routes=COMPRESSED).client()
    client.send(f"GET / HTTP/1.0\r\nHost: app.test\r\n{ALL}\r\n\r\n".encode())
    assert client.response().body == PAGE


def test_a_route_without_compression_leaves_responses_alone(start_server, start_balancer):
    proxy = start_balancer([start_server(answers(reply(PAGE, HTML)))])
    response = proxy.client().get("/", ALL)
    assert response.body == PAGE
    assert "vary" not in response


@pytest.mark.parametrize("status", ["404 Not Found", "500 Internal Server Error"])
def test_errors_are_compressed_too(ask, status):
    response = ask(reply(PAGE, HTML, status=status), ALL)
    assert response.status == int(status[:3])
    assert decode("zstd", response.body) == PAGE


def test_head_is_told_what_get_is_told(ask):
    answer = f'HTTP/1.1 200 OK\r\n{HTML}\r\nContent-Length: 50000\r\nETag: "a"\r\n\r\n'.encode()
    response = ask(answer, ALL, method="HEAD")
    assert (response["content-encoding"], response["vary"]) == ("zstd", "Accept-Encoding")
    assert response["etag"] == 'W/"a"'
    assert "content-length" not in response
    assert response.body == b""


@pytest.mark.parametrize(("shown", "told"), [('W/"a"', 'W/"a"'), ('"a"', '"a"'), ('"b", W/"a"', 'W/"a"')])
def test_who_shows_the_weak_tag_is_told_the_weak_tag_again(ask, shown, told):
    response = ask(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n', ALL, f"If-None-Match: {shown}")
    assert (response.status, response["etag"]) == (304, told)
    assert ("vary" in response) == told.startswith("W/")


@pytest.mark.parametrize("coding", CODINGS)
def test_pieces_arrive_as_they_come(start_server, start_balancer, coding):
    seen = threading.Semaphore(0)

    def drips(connection):
        connection.request()
        connection.send(CHUNKED)
        for number in range(20):
            piece = b"%d: forty bytes or so, each after a while\n" % number
            connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            seen.acquire(timeout=10)
        connection.send(b"0\r\n\r\n")

    client = start_balancer([start_server(drips)], routes=COMPRESSED).client()
    client.send(request("GET", "/", f"Accept-Encoding: {coding}"))
    assert client.message()["content-encoding"] == coding
    decoder, text = Decoder(coding), b""
    for number in range(20):
        # The server says nothing more before this one has arrived.
        expected = b"%d: forty bytes or so, each after a while\n" % number
        while not text.endswith(expected):
            text += decoder.take(one_chunk(client))
        seen.release()
    assert text.count(b"\n") == 20
    while one_chunk(client):
        pass


def one_chunk(client) -> bytes:
    length = int(client.until(b"\r\n").strip(), 16)
    data = client.read(length)
    client.read(2)
    return data


def test_an_event_stream_is_passed_on_as_it_comes(start_server, start_balancer):
    seen = threading.Semaphore(0)
    event = b"data: forty bytes of news, or nearly so\n\n"

    def streams(connection):
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for _ in range(10):
            connection.send(event)
            seen.acquire(timeout=10)

    client = start_balancer([start_server(streams)], routes=COMPRESSED).client()
    client.send(request("GET", "/", ALL))
    assert "content-encoding" not in client.message()
    for _ in range(10):
        assert one_chunk(client) == event
        seen.release()


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("framed", [True, False])
def test_a_server_that_breaks_off_breaks_the_response(start_server, start_balancer, coding, framed):
    cut = CHUNKED + b"%x\r\n%b\r\n" % (len(PAGE), PAGE)
    if framed:
        cut = f"HTTP/1.1 200 OK\r\n{HTML}\r\nContent-Length: {len(PAGE) + 1}\r\n\r\n".encode() + PAGE
    proxy = start_balancer([start_server(answers_once(cut))], routes=COMPRESSED)
    client = proxy.client()
    client.send(request("GET", "/", f"Accept-Encoding: {coding}"))
    response = client.message()
    with pytest.raises((EOFError, ConnectionError)):
        client.read_chunked(response)
    decoder = Decoder(coding)
    assert PAGE.startswith(decoder.take(response.body))
    assert not decoder.is_over()


def test_trailers_pass(ask):
    answer = CHUNKED + chunked(PAGE, trailers=b"X-Sum: 7\r\n")
    response = ask(answer, ALL, "TE: trailers", "Connection: TE")
    assert decode("zstd", response.body) == PAGE
    assert response.trailers == [("x-sum", "7")]


def test_an_empty_body_of_unknown_length_is_an_empty_body(ask):
    for coding in CODINGS:
        response = ask(CHUNKED + b"0\r\n\r\n", f"Accept-Encoding: {coding}")
        assert plain(response) == b""


def test_http2_clients_get_the_same(start_server, start_balancer, tls):
    server = start_server(answers(reply(PAGE, HTML, 'ETag: "a"')))
    client = start_balancer([server], routes=COMPRESSED, tls=tls).http2()
    for coding in CODINGS:
        response = client.get("/", ("accept-encoding", coding))
        assert (response["content-encoding"], response["etag"]) == (coding, 'W/"a"')
        assert "content-length" not in response
        assert decode(coding, bytes(response.body)) == PAGE


def test_a_connection_goes_on_and_encoders_are_used_again(start_server, start_balancer):
    pages = [page(1024 + 997 * number) for number in range(40)]
    proxy = start_balancer([start_server(answers(*(reply(page, HTML) for page in pages)))], routes=COMPRESSED)
    client = proxy.client()
    for number, expected in enumerate(pages):
        coding = CODINGS[number % 3]
        assert decode(coding, client.get("/", f"Accept-Encoding: {coding}").body) == expected
    counters = proxy.engine.counters
    assert eventually(lambda: counters().compressed == {"zstd": 14, "br": 13, "gzip": 13})
    assert counters().compressed_in == sum(map(len, pages))
    assert 0 < counters().compressed_out < counters().compressed_in / 2


@pytest.mark.parametrize("coding", CODINGS)
def test_long_bodies_stream_in_bounded_memory(start_server, start_process, client_of, coding):
    piece = page(1 << 16)
    count = 2048

    def pours(connection):
        connection.request()
        connection.send(CHUNKED)
        for _ in range(count):
            connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        connection.send(b"0\r\n\r\n")

    process = start_process(start_server(pours).address, compressed=True)
    client = client_of(process.address)
    client.send(request("GET", "/", f"Accept-Encoding: {coding}"))
    assert client.message()["content-encoding"] == coding
    before, decoder, length = process.resident(), Decoder(coding), 0
    while chunk := one_chunk(client):
        length += len(decoder.take(chunk))
    assert length == count * len(piece)
    assert decoder.is_over()
    # Of 128 MiB; without compression the allocator keeps as much for a while.
    assert process.resident() - before < 64_000_000


def test_a_client_that_does_not_read_stops_the_server(start_server, start_balancer):
    blocked = threading.Event()
    # What does not shrink fills whatever lies between server and client.
    piece = random.Random(1).randbytes(1 << 20)

    def pours(connection):
        connection.request()
        connection.send(CHUNKED)
        connection.sock.settimeout(1)
        try:
            for _ in range(100):
                connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        except TimeoutError:
            blocked.set()

    proxy = start_balancer([start_server(pours)], routes=COMPRESSED)
    client = proxy.client(receive_buffer=4096)
    client.send(request("GET", "/", ALL))
    assert client.message()["content-encoding"] == "zstd"
    assert blocked.wait(PATIENCE)
