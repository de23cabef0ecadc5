"""Long bodies of known length between two plain connections, which the kernel passes on by itself."""

from __future__ import annotations

import random
import socket
import threading
import time
from pathlib import Path

import pytest

from .app_server import Connection, answers, answers_once
from .wire import PATIENCE, eventually, reply, request

LONG = random.Random(2).randbytes(3_000_000)
LIMIT = 64 * 1024  # from here on bodies are spliced


def descriptors() -> int:
    """How many this process has open, the engine among them."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture(params=["tcp", "unix"])
def address(request, tmp_path) -> str:
    return "127.0.0.1:0" if request.param == "tcp" else f"unix:{tmp_path}/app"


@pytest.mark.parametrize("length", [LIMIT - 1, LIMIT, LIMIT + 1, LIMIT + 200, 1_000_000, len(LONG)])
def test_every_byte_arrives_and_the_connection_goes_on(start_server, start_balancer, address, length):
    app = start_server(answers(reply(LONG[:length]), reply(b"short"), reply(LONG[:length])), address=address)
    proxy = start_balancer([app])
    client = proxy.client()
    assert client.get().body == LONG[:length]
    assert client.get().body == b"short"
    assert client.get().body == LONG[:length]
    assert len(app.connections) == 1
    assert eventually(lambda: proxy.engine.counters().bytes_sent > 2 * length)


def test_a_body_that_dribbles_arrives(start_server, start_balancer, address):
    def dribbles(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n")
        for start in range(0, len(LONG), 300_007):
            connection.send(LONG[start : start + 300_007])
            time.sleep(0.005)

    client = start_balancer([start_server(dribbles, address=address)]).client()
    assert client.get().body == LONG


def test_a_body_that_ends_early_is_no_whole_response(start_server, start_balancer, address):
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n" + LONG
    proxy = start_balancer([start_server(answers_once(cut), address=address)])
    client = proxy.client()
    client.send(request("GET", "/"))
    assert client.message().status == 200
    with pytest.raises((EOFError, ConnectionError)):
        client.read(4_000_000)
    assert eventually(lambda: proxy.engine.counters().connections_open == 0)


def test_what_follows_a_body_is_not_the_next_response(start_server, start_balancer, address):
    app = start_server(answers(reply(LONG) + reply(b"smuggled"), reply(b"honest")), address=address)
    client = start_balancer([app]).client()
    assert client.get().body == LONG
    assert client.get().body != b"smuggled"


def test_a_client_that_leaves_lets_the_server_stop(start_server, start_balancer, address):
    stopped = threading.Event()

    def floods(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
        try:
            while True:
                connection.send(LONG)
        except OSError:
            stopped.set()

    client = start_balancer([start_server(floods, address=address)]).client()
    client.send(request("GET", "/"))
    assert client.message().status == 200
    client.read(1_000_000)
    client.close()
    assert stopped.wait(PATIENCE)


def test_a_slow_reader_slows_the_server(start_server, start_balancer, address):
    sent = 0

    def counts(connection: Connection) -> None:
        nonlocal sent
        connection.request()
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n")
        for _ in range(100):
            connection.send(LONG)
            sent += len(LONG)

    client = start_balancer([start_server(counts, address=address)]).client(receive_buffer=65536)
    client.send(request("GET", "/"))
    client.message()
    time.sleep(0.5)
    assert sent < 60_000_000
    assert len(client.read(300_000_000)) == 300_000_000


def test_many_at_once_all_arrive(start_server, start_balancer, in_background):
    # More than there are pipes for at a time: the others are copied.
    app = start_server(answers(*[reply(LONG)] * 2))
    proxy = start_balancer([app])
    running = [in_background(lambda: proxy.client().get().body == LONG) for _ in range(100)]
    assert all(each.result() for each in running)


def test_pipes_are_given_back(start_server, start_balancer, in_background):
    app = start_server(answers(*[reply(LONG)] * 20))
    proxy = start_balancer([app])
    client = proxy.client()
    assert client.get().body == LONG
    before = descriptors()
    for _ in range(19):
        assert client.get().body == LONG
    assert descriptors() <= before
