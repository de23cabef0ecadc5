"""What a listener bears from clients that are slow, idle, or too many: each is cut by its rule, others are served."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from headrace._core import CoreError

from .app_server import Connection, answers, echoes
from .http2 import head
from .wire import PATIENCE, Client, eventually, reply, request


def drip(client: Client, data: bytes, *, every: float) -> None:
    """Sends byte after byte until all is out or the balancer has had enough."""
    with contextlib.suppress(OSError):
        for byte in data:
            client.send(bytes([byte]))
            if client.readable(every):
                return


def last_word(client: Client) -> int | None:
    """The status it was cut with, None for none; the connection must be closed then."""
    try:
        status = client.response().status
    except (EOFError, ConnectionError):
        return None
    assert client.rest() == b""
    return status


def test_a_head_that_stops_is_a_408(start_server, start_balancer):
    app = start_server(echoes)
    client = start_balancer([app], limits={"header_timeout": 0.3}).client()
    client.send(b"GET / HTTP/1.1\r\nHost: app")
    assert last_word(client) == 408
    assert app.received == b""


def test_a_head_that_drips_is_a_408(start_server, start_balancer):
    """The time is for the whole head; each byte in time does not renew it."""
    client = start_balancer([start_server(echoes)], limits={"header_timeout": 0.4}).client()
    drip(client, b"GET / HTTP/1.1\r\nX: " + b"y" * 1000, every=0.02)
    assert last_word(client) == 408


def test_a_second_head_that_stops_is_cut_too(start_server, start_balancer):
    client = start_balancer([start_server(echoes)], limits={"header_timeout": 0.3}).client()
    client.get()
    client.send(b"GET / HT")
    assert last_word(client) == 408


def test_a_connection_that_never_says_a_word_is_closed(start_server, start_balancer):
    client = start_balancer([start_server(echoes)], limits={"header_timeout": 0.3}).client()
    assert last_word(client) in {408, None}


def test_an_idle_connection_is_closed_without_a_word(start_server, start_balancer):
    client = start_balancer([start_server(echoes)], limits={"keep_alive": 0.3}).client()
    client.get()
    assert client.rest() == b""


def test_an_idle_connection_lives_as_long_as_it_may(start_server, start_balancer):
    """The time for a head does not run while no head has begun."""
    client = start_balancer([start_server(echoes)], limits={"header_timeout": 0.2, "keep_alive": 30.0}).client()
    client.get()
    assert not client.readable(0.8)
    assert client.get().status == 200


def test_an_idle_http_2_connection_is_told_to_go(start_server, start_balancer, tls):
    client = start_balancer([start_server(echoes)], tls=tls, limits={"keep_alive_http2": 0.3}).http2()
    assert client.get().status == 200
    client.until(lambda: client.closed)
    assert client.goaway == 0


def test_a_body_that_stops_is_cut(start_server, start_balancer):
    app = start_server(echoes)
    client = start_balancer([app], limits={"body_idle_timeout": 0.3}).client()
    client.send(request("POST", "/", "Content-Length: 100", body=b"some"))
    assert last_word(client) in {408, None}
    assert eventually(lambda: app.connections[0].sock.fileno() == -1)
    assert not app.requests[0].complete


def test_a_body_slower_than_the_least_rate_is_cut(start_server, start_balancer):
    app = start_server(echoes)
    limits = {"body_min_rate": 1000, "body_grace": 0.4}
    client = start_balancer([app], limits=limits).client()
    client.send(request("POST", "/", "Content-Length: 10000"))
    drip(client, b"x" * 1000, every=0.02)
    assert last_word(client) in {408, None}
    assert eventually(lambda: app.connections[0].sock.fileno() == -1)
    assert not app.requests[0].complete


def test_a_body_at_a_fair_rate_may_take_as_long_as_it_takes(start_server, start_balancer):
    limits = {"body_min_rate": 100, "body_grace": 0.3, "body_idle_timeout": 5.0, "header_timeout": 0.3}
    client = start_balancer([start_server(echoes)], limits=limits).client()
    client.send(request("POST", "/", "Content-Length: 12000"))
    for _ in range(12):
        client.send(b"x" * 1000)
        time.sleep(0.1)
    assert client.response().body == b"x" * 12000


def test_a_server_that_thinks_is_not_a_slow_client(start_server, start_balancer):
    """Times for the client's bytes do not run while the server is the one to act."""
    limits = {
        "header_timeout": 0.2,
        "body_idle_timeout": 0.2,
        "body_grace": 0.2,
        "keep_alive": 0.2,
        "write_idle_timeout": 0.2,
    }

    def thinks(connection: Connection) -> None:
        while connection.request():
            time.sleep(0.8)
            connection.send(reply())

    client = start_balancer([start_server(thinks)], limits=limits).client()
    assert client.post(b"hello").status == 200


def test_a_client_that_reads_nothing_is_cut(start_server, start_balancer):
    stopped = threading.Event()

    def floods(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            while True:
                connection.send(b"x" * 65536)
        except OSError:
            stopped.set()

    proxy = start_balancer([start_server(floods)], limits={"write_idle_timeout": 0.4})
    client = proxy.client(receive_buffer=4096)
    client.send(request("GET", "/"))
    assert stopped.wait(PATIENCE)
    assert eventually(lambda: proxy.engine.counters().connections_open == 0)
    # By a reset: in good order the kernel would keep what is unsent for as long as the client lives.
    assert not client.ended_cleanly()


def test_a_client_that_reads_slowly_is_served(start_server, start_balancer):
    body = bytes(2_000_000)
    proxy = start_balancer([start_server(answers(reply(body)))], limits={"write_idle_timeout": 1.0})
    client = proxy.client(receive_buffer=65536)
    client.send(request("GET", "/"))
    client.message()
    left = len(body)
    while left:
        left -= len(client.read(min(left, 100_000)))
        time.sleep(0.02)


def test_an_http_2_client_that_opens_no_window_is_cut(start_server, start_balancer, tls):
    app = start_server(answers(reply(bytes(1_000_000))))
    client = start_balancer([app], tls=tls, limits={"write_idle_timeout": 0.4}).http2(reading=False)
    stream = client.start(head())
    client.until(lambda: client.replies[stream].reset is not None or client.closed or client.goaway is not None)
    assert not client.replies[stream].ended


def test_an_http_2_client_that_says_nothing_is_cut(start_server, start_balancer, tls, authority):
    proxy = start_balancer([start_server(echoes)], tls=tls, limits={"header_timeout": 0.3, "keep_alive_http2": 0.3})
    client = proxy.client(tls=authority.client_context("h2"))
    client.rest()
    assert eventually(lambda: proxy.engine.counters().connections_open == 0)


def test_an_http_2_head_that_stops_is_cut(start_server, start_balancer, tls):
    app = start_server(echoes)
    client = start_balancer([app], tls=tls, limits={"header_timeout": 0.3}).http2()
    client.raw(b"\0\0\1\1\0\0\0\0\1\x82")  # HEADERS without END_HEADERS: :method GET
    client.until(lambda: client.closed)
    assert app.received == b""


@pytest.mark.parametrize("limits", [{"body_idle_timeout": 0.3}, {"body_min_rate": 1000, "body_grace": 0.3}])
def test_a_slow_http_2_body_is_cut(start_server, start_balancer, tls, limits):
    """One that stops by the first rule, one that drips by the second."""
    app = start_server(echoes)
    client = start_balancer([app], tls=tls, limits=limits).http2()
    stream = client.start(head("POST"), end=False)
    client.data(stream, b"some")
    while "body_min_rate" in limits and not client.replies[stream].over:
        client.data(stream, b"x")
        client.pump(0.05)
    response = client.response(stream)
    assert response.reset is not None or response.status == 408
    assert eventually(lambda: app.connections[0].sock.fileno() == -1)
    assert not app.requests[0].complete
    assert client.get("/next").body == b"/next"


def unanswered(clients: list[Client]) -> list[Client]:
    """Those that were not refused."""
    return [client for client in clients if not client.readable(0)]


def test_open_files_are_finite(start_server, start_process):
    """Clients are refused before the process has no file left for the servers; later ones are served again."""
    process = start_process(start_server(echoes).address, files=200)
    with contextlib.ExitStack() as crowd:
        clients = [crowd.enter_context(contextlib.closing(Client(process.address))) for _ in range(300)]
        assert eventually(lambda: len(unanswered(clients)) < 200)
        served = unanswered(clients)
        assert len(served) >= 20
        assert served[0].get().status == 200

    def recovered() -> bool:
        with contextlib.closing(Client(process.address)) as client, contextlib.suppress(OSError, EOFError):
            return client.get().status == 200
        return False

    assert eventually(recovered)


def test_connections_over_the_limit_are_refused_and_counted(start_server, start_balancer):
    proxy = start_balancer([start_server(echoes)], limits={"connections": 3})
    clients = [proxy.client() for _ in range(3)]
    assert [client.get().status for client in clients] == [200, 200, 200]
    assert last_word(proxy.client()) in {503, None}
    assert proxy.engine.counters().connections_refused == 1
    clients[0].close()
    assert eventually(lambda: proxy.engine.counters().connections_open == 2)
    assert proxy.client().get().status == 200


def test_the_count_of_fields_is_limited(start_server, start_balancer):
    proxy = start_balancer([start_server(echoes)], limits={"header_count": 5})
    assert proxy.client().get("/", *["X: y"] * 4).status == 200  # and Host
    assert proxy.client().get("/", *["X: y"] * 5).status == 431


def test_the_length_of_a_line_is_limited(start_server, start_balancer):
    proxy = start_balancer([start_server(echoes)], limits={"header_line": 200})
    assert proxy.client().get("/", "X: " + "y" * 150).status == 200
    assert proxy.client().get("/", "X: " + "y" * 250).status == 431
    assert proxy.client().get("/" + "x" * 150).status == 200
    assert proxy.client().get("/" + "x" * 250).status == 414


def test_the_size_of_a_head_is_limited(start_server, start_balancer):
    proxy = start_balancer([start_server(echoes)], limits={"header_bytes": 1000})
    assert proxy.client().get("/", *["X: " + "y" * 100] * 7).status == 200
    assert proxy.client().get("/", *["X: " + "y" * 100] * 12).status == 431


@pytest.mark.parametrize("name", ["header_timeout", "keep_alive", "header_line", "header_count", "streams"])
def test_a_limit_of_zero_is_refused(start_balancer, name):
    with pytest.raises((ValueError, CoreError), match=name):
        start_balancer([], limits={name: 0})


def test_others_are_served_beside_hundreds_of_slow_ones(start_server, start_balancer):
    proxy = start_balancer([start_server(echoes)], limits={"header_timeout": 2.0})
    slow = [proxy.client() for _ in range(300)]
    for client in slow:
        client.send(b"GET / HTTP/1.1\r\nHost: ")
    polite = proxy.client()
    started = time.monotonic()
    assert all(polite.get(f"/{number}").status == 200 for number in range(100))
    assert time.monotonic() - started < PATIENCE
    assert last_word(slow[-1]) == 408
