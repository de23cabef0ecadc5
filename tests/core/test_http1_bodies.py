"""Bodies stream through: by length, in chunks with trailers, until close; both ways, at once, whole or visibly not."""

from __future__ import annotations

import contextlib
import random
import threading

import pytest

from headrace._core import Route

from .app_server import AppServer, Connection, answers, answers_once, echoes
from .wire import PATIENCE, Message, chunked, eventually, reply, request

MEGABYTE = random.Random(1).randbytes(1_000_000)


def streams(*parts: bytes, head: str = "Transfer-Encoding: chunked", end: bytes = b"0\r\n\r\n"):
    """A script that sends each part only when the one before was acknowledged by `step`."""
    step = threading.Semaphore(1)

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode())
        for part in parts:
            assert step.acquire(timeout=PATIENCE)
            connection.send(part)
        connection.send(end)

    return script, step


def test_a_large_body_by_length_passes_both_ways(start_server, start_balancer, in_background):
    client = start_balancer([start_server(echoes)]).client()
    body = MEGABYTE * 3
    sending = in_background(client.send, request("POST", "/", f"Content-Length: {len(body)}", body=body))
    assert client.response().body == body
    sending.result()


def test_a_large_chunked_body_passes_both_ways(start_server, start_balancer, in_background):
    def echoes_chunked(connection: Connection) -> None:
        body = connection.request().body
        parts = [body[start : start + 70_001] for start in range(0, len(body), 70_001)]
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(*parts))

    app = start_server(echoes_chunked)
    client = start_balancer([app]).client()
    body = chunked(*[MEGABYTE[start : start + 1009] for start in range(0, len(MEGABYTE), 1009)])
    sending = in_background(client.send, request("POST", "/", "Transfer-Encoding: chunked", body=body))
    assert client.response().body == MEGABYTE
    sending.result()


def test_the_framing_towards_the_server_is_the_client_s(start_server, start_balancer):
    app = start_server(echoes)
    client = start_balancer([app]).client()
    client.post(b"abc")
    client.exchange("POST", "/", "Transfer-Encoding: Chunked", body=chunked(b"abc"))
    by_length, in_chunks = app.requests
    assert (by_length.all("content-length"), by_length.all("transfer-encoding")) == (["3"], [])
    assert (in_chunks.all("content-length"), in_chunks.all("transfer-encoding")) == ([], ["chunked"])


def test_an_empty_body_stays_one(start_server, start_balancer):
    app = start_server(echoes)
    client = start_balancer([app]).client()
    client.exchange("POST", "/", "Content-Length: 0")
    client.exchange("POST", "/none")
    client.exchange("POST", "/", "Transfer-Encoding: chunked", body=chunked())
    assert [message.body for message in app.requests] == [b"", b"", b""]
    assert app.requests[0]["content-length"] == "0"


def test_a_get_may_have_a_body(start_server, start_balancer):
    client = start_balancer([start_server(echoes)]).client()
    assert client.exchange("GET", "/", "Content-Length: 5", body=b"query").body == b"query"


def test_request_trailers_reach_the_server(start_server, start_balancer):
    app = start_server(echoes)
    body = chunked(b"abc", trailers=b"X-Sum: 1\r\nX-Sum: 2\r\n")
    start_balancer([app]).client().exchange("POST", "/", "Trailer: X-Sum", "Transfer-Encoding: chunked", body=body)
    assert app.requests[0].trailers == [("x-sum", "1"), ("x-sum", "2")]


def test_response_trailers_reach_the_client(start_server, start_balancer):
    head = b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
    client = start_balancer([start_server(answers(head + chunked(b"abc", trailers=b"X-Sum: 1\r\n")))]).client()
    response = client.get("/", "TE: trailers")
    assert (response.body, response.trailers) == (b"abc", [("x-sum", "1")])


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding", "Host", "Connection", "Authorization"])
def test_trailers_that_would_be_framing_or_routing_reach_nobody(start_server, start_balancer, name):
    """RFC 9110, 6.5.1."""
    trailers = f"{name}: 7\r\n".encode()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    app = start_server(answers(head + chunked(b"abc", trailers=trailers)))
    client = start_balancer([app]).client()
    client.send(
        request("POST", "/", "TE: trailers", "Transfer-Encoding: chunked", body=chunked(b"a", trailers=trailers))
    )
    response = client.response()
    assert response.trailers == []
    assert all(message.trailers == [] for message in app.requests)


def test_chunk_extensions_are_dropped(start_server, start_balancer):
    body = b'3;a=b\r\nabc\r\n2 ;c="d;e"\r\nde\r\n0;last\r\n\r\n'
    app = start_server(answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body.replace(b"2 ;", b"2;")))
    client = start_balancer([app]).client()
    client.send(request("POST", "/", "Transfer-Encoding: chunked", body=body.replace(b"2 ;", b"2;")))
    assert client.response().body == b"abcde"
    assert app.requests[0].body == b"abcde"
    assert b"a=b" not in app.received + client.received


def test_chunk_sizes_may_be_any_case_and_have_leading_zeros(start_server, start_balancer):
    client = start_balancer([start_server(echoes)]).client()
    body = b"0000a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n"
    assert client.exchange("POST", "/", "Transfer-Encoding: chunked", body=body).body == b"0123456789" * 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_body_until_close_is_whole(start_server, start_balancer, method):
    app = start_server(answers_once(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + MEGABYTE))
    response = start_balancer([app]).client().exchange(method, "/", "Content-Length: 0")
    assert response.complete
    assert response.body == MEGABYTE


def test_a_body_until_close_goes_until_close_for_http_1_0(start_server, start_balancer):
    client = start_balancer([start_server(answers_once(b"HTTP/1.0 200 OK\r\n\r\nold"))]).client()
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert client.response().body == b"old"
    assert client.ended_cleanly()


def test_each_part_of_a_response_arrives_at_once(start_server, start_balancer):
    head = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked"
    script, step = streams(b"5\r\nfirst\r\n", b"6\r\nsecond\r\n", head=head)
    client = start_balancer([start_server(script)]).client()
    client.send(request("GET", "/"))
    client.message()
    assert client.read(10) == b"5\r\nfirst\r\n"
    step.release()
    assert client.read(11) == b"6\r\nsecond\r\n"


def test_each_part_of_a_response_by_length_arrives_at_once(start_server, start_balancer):
    script, step = streams(b"first", b"second", head="Content-Length: 11", end=b"")
    client = start_balancer([start_server(script)]).client()
    client.send(request("GET", "/"))
    client.message()
    assert client.read(5) == b"first"
    step.release()
    assert client.read(6) == b"second"


def test_a_head_arrives_before_its_body(start_server, start_balancer):
    script, step = streams(b"late", head="Content-Length: 4", end=b"")
    step.acquire()
    client = start_balancer([start_server(script)]).client()
    client.send(request("GET", "/"))
    assert client.message().status == 200
    step.release()
    assert client.read(4) == b"late"


@pytest.mark.parametrize("framing", ["Content-Length: 6", "Transfer-Encoding: chunked"])
def test_each_part_of_a_request_arrives_at_once(start_server, start_balancer, framing):
    app = start_server(echoes)
    client = start_balancer([app]).client()
    parts = [b"one", b"two"] if framing.endswith("6") else [b"3\r\none\r\n", b"3\r\ntwo\r\n"]
    client.send(request("POST", "/", framing))
    assert eventually(lambda: app.requests)
    client.send(parts[0])
    assert eventually(lambda: b"one" in app.received)
    client.send(parts[1] + (b"" if framing.endswith("6") else b"0\r\n\r\n"))
    assert client.response().body == b"onetwo"


def cut_off(app: AppServer) -> Message:
    """The one request that the server saw, which must not have looked whole."""
    assert eventually(lambda: app.connections and app.connections[0].sock.fileno() == -1), "it still waits for the body"
    (message,) = app.requests
    assert not message.complete
    return message


@pytest.mark.parametrize("leave", ["close", "half_close", "reset"])
@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_a_body_that_the_client_breaks_off_never_looks_whole(start_server, start_balancer, framing, leave):
    app = start_server(echoes)
    client = start_balancer([app]).client()
    client.send(request("POST", "/", framing, body=b"5\r\nabcde\r\n"))
    assert eventually(lambda: b"abcde" in app.received)
    getattr(client, leave)()
    cut_off(app)


def test_a_server_is_told_when_the_client_leaves(start_server, start_balancer):
    def waits(connection: Connection) -> None:
        connection.request()
        connection.some()

    app = start_server(waits)
    client = start_balancer([app]).client()
    client.send(request("GET", "/"))
    assert eventually(lambda: app.requests)
    client.reset()
    assert eventually(lambda: app.connections[0].sock.fileno() == -1)


def test_a_server_that_does_not_read_is_left_when_the_client_leaves(start_server, start_balancer):
    """Its body is in the way, so that nothing of the client is read that could tell."""
    gate = threading.Event()

    def deaf(connection: Connection) -> None:
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        gate.wait(PATIENCE)

    proxy = start_balancer([start_server(deaf)], options={"max_body": 2**30})
    client = proxy.client()
    client.send(request("POST", "/", "Content-Length: 1000000000"))
    assert client.message().status == 200
    client.sock.settimeout(0.3)
    with contextlib.suppress(TimeoutError):
        while True:
            client.send(bytes(100_000))
    client.reset()
    assert eventually(lambda: proxy.stats().in_flight == 0)
    gate.set()


def test_a_body_over_the_limit_is_refused_by_its_length(start_server, start_balancer):
    app = start_server(echoes)
    client = start_balancer([app], options={"max_body": 1000}).client()
    client.send(request("POST", "/", "Content-Length: 1001"))
    assert client.response().status == 413
    assert client.rest() == b""
    assert app.received == b""


def test_a_chunked_body_over_the_limit_is_refused_on_the_way(start_server, start_balancer):
    app = start_server(echoes)
    client = start_balancer([app], options={"max_body": 1000}).client()
    client.send(request("POST", "/", "Transfer-Encoding: chunked", body=b"1f4\r\n" + b"x" * 500 + b"\r\n"))
    assert eventually(lambda: app.requests)
    client.send(b"1f5\r\n" + b"x" * 501 + b"\r\n0\r\n\r\n")
    assert client.response().status == 413
    assert client.rest() == b""
    cut_off(app)


def test_a_body_at_the_limit_passes(start_server, start_balancer):
    client = start_balancer([start_server(echoes)], options={"max_body": 1000}).client()
    assert client.post(b"x" * 1000).body == b"x" * 1000
    assert client.exchange("POST", "/", "Transfer-Encoding: chunked", body=chunked(b"x" * 1000)).status == 200


def test_a_route_has_its_own_limit(start_server, start_balancer):
    proxy = start_balancer(
        [start_server(echoes)],
        options={"max_body": 1000},
        routes=[Route("web", path="/up", max_body=5000), Route("web", path="/down", max_body=10), Route("web")],
    )
    assert proxy.client().post(b"x" * 5000, "/up").status == 200
    assert proxy.client().post(b"x" * 11, "/down").status == 413
    assert proxy.client().post(b"x" * 1000, "/").status == 200


def test_bodies_of_many_sizes_pass(start_server, start_balancer):
    client = start_balancer([start_server(echoes)]).client()
    for size in (1, 2, 1023, 4096, 8191, 8192, 16383, 16384, 16385, 65535, 65536, 65537, 131072):
        assert client.post(MEGABYTE[:size]).body == MEGABYTE[:size], size


def test_a_body_that_is_answered_early_does_not_become_a_request(start_server, start_balancer):
    def eager(connection: Connection) -> None:
        while message := connection.head():
            connection.send(reply(b"early"))
            connection.read_body(message)

    app = start_server(eager)
    client = start_balancer([app]).client()
    smuggled = request("GET", "/smuggled")
    client.send(request("POST", "/", f"Content-Length: {len(smuggled)}"))
    assert client.response().body == b"early"
    client.send(smuggled)
    client.half_close()
    client.rest()
    assert "/smuggled" not in app.targets
