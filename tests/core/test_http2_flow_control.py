"""Windows: what one side does not take, the other does not send, and no body is ever held as a whole. RFC 9113, 5.2."""

from __future__ import annotations

import threading
import time

import pytest

from .app_server import Connection, answers, echoes
from .frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    HEADERS,
    SETTINGS,
    WINDOW_UPDATE,
    FrameClient,
    frame,
    number,
    setting,
)
from .http2 import PREFACE, head
from .wire import PATIENCE, reply


def test_a_slow_server_slows_the_client(proxied):
    """The window closes; what is on its way is bounded however large the body."""
    gate = threading.Event()

    def reads_late(connection: Connection) -> None:
        message = connection.head()
        gate.wait(PATIENCE)
        connection.read_body(message)
        connection.send(reply(b"%d" % len(message.body)))

    _, _, client = proxied(reads_late, options={"max_body": 100_000_000})
    stream = client.start(head("POST"), end=False)
    sent, moved = 0, time.monotonic()
    while time.monotonic() < moved + 0.5:
        window = min(client.h2.local_flow_control_window(stream), client.h2.max_outbound_frame_size)
        if window:
            client.h2.send_data(stream, bytes(window))
            client.flush()
            sent, moved = sent + window, time.monotonic()
            assert sent < 32_000_000  # the kernel's buffers take a few megabytes
        else:
            client.pump(0.05)
    gate.set()
    client.data(stream, b"the rest", end=True)
    assert client.response(stream).body == b"%d" % (sent + 8)


def test_a_slow_reader_slows_the_server(start_server, start_balancer, tls):
    sent = []

    def floods(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 40000000\r\n\r\n")
        for _ in range(1000):
            connection.send(bytes(40_000))
            sent.append(40_000)

    client = start_balancer([start_server(floods)], tls=tls).http2(reading=False)
    stream = client.start(head())
    client.until(lambda: len(client.replies[stream].body) == 65_535)
    count = -1
    while count != len(sent):
        count = len(sent)
        time.sleep(0.3)
    assert sum(sent) < 24_000_000
    received = 0
    while not client.replies[stream].over:
        fresh = len(client.replies[stream].body) - received
        received += fresh
        if fresh:
            client.acknowledge(stream, fresh)
        else:
            client.pump(1.0)
    assert len(client.replies[stream].body) == 40_000_000


def test_one_slow_stream_does_not_hold_up_the_others(start_server, start_balancer, tls):
    body = bytes(40_000)

    def by_target(connection: Connection) -> None:
        while message := connection.request():
            connection.send(reply(bytes(10_000_000) if message.target == "/large" else body))

    client = start_balancer([start_server(by_target)], tls=tls).http2(reading=False)
    large = client.start(head("GET", "/large"))
    client.until(lambda: len(client.replies[large].body) == 65_535)
    client.h2.increment_flow_control_window(1_000_000)
    client.flush()
    for _ in range(3):
        assert client.response(client.start(head("GET", "/small"))).body == body


def test_the_settings_are_those_of_the_limits(proxied):
    _, _, client = proxied(echoes, limits={"streams": 7, "stream_window": 70_000, "connection_window": 200_000})
    assert client.get().status == 200
    settings = client.h2.remote_settings
    assert settings.max_concurrent_streams == 7
    assert settings.initial_window_size == 70_000
    assert client.h2.outbound_flow_control_window == 200_000


@pytest.fixture
def frames(start_server, start_balancer, tls, authority):
    """A client with windows of its own choosing, and the server answers with five bytes."""
    proxy = start_balancer([start_server(answers(reply(b"hello")))], tls=tls)
    clients = []

    def connect(*settings: bytes) -> FrameClient:
        clients.append(FrameClient(proxy.address, authority.client_context("h2"), PREFACE + b"".join(settings)))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


WHOLE = frame(HEADERS, 1, GET, flags=END_HEADERS | END_STREAM)
WINDOW = 4


def test_settings_are_acknowledged(frames):
    client = frames(frame(SETTINGS, 0))
    client.until(lambda: any(seen.flags == ACK for seen in client.all(SETTINGS)))


def test_a_window_of_one_byte_gets_one_byte(frames):
    client = frames(setting(WINDOW, 1))
    client.send(WHOLE)
    assert client.first(DATA, 1).payload == b"h"
    client.send(frame(WINDOW_UPDATE, 1, number(2)))
    client.until(lambda: client.body(1) == b"hel")
    client.drain()
    assert client.body(1) == b"hel"


def test_a_client_that_takes_little_is_no_server_that_says_nothing(start_server, start_balancer, tls, authority):
    app = start_server(answers(reply(bytes(16_000))))
    proxy = start_balancer([app], tls=tls, options={"stream_idle_timeout": 0.3})
    client = FrameClient(proxy.address, authority.client_context("h2"), PREFACE + setting(WINDOW, 1000))
    client.send(WHOLE)
    for taken in range(1000, 16_001, 1000):
        client.until(lambda taken=taken: len(client.body(1)) == taken)
        time.sleep(0.1)
        client.send(frame(WINDOW_UPDATE, 1, number(1000)))
    assert any(seen.flags & END_STREAM for seen in client.all(DATA))
    assert proxy.stats().failures == 0
    client.close()


def test_the_last_of_repeated_settings_holds(frames):
    """RFC 9113, 6.5.3: they are taken in their order."""
    pairs = b"".join(b"\0\4" + number(size) for size in (100, 1))
    client = frames(frame(SETTINGS, 0, pairs))
    client.send(WHOLE)
    assert client.first(DATA, 1).payload == b"h"


def test_a_new_initial_window_changes_the_streams_that_are_open(frames):
    client = frames(setting(WINDOW, 0))
    client.send(WHOLE)
    client.first(HEADERS, 1)
    client.drain()
    assert not client.all(DATA)
    client.send(setting(WINDOW, 1))
    assert client.first(DATA, 1).payload == b"h"


def test_a_window_may_become_negative(frames):
    """RFC 9113, 6.9.2: what was sent already counts."""
    client = frames(setting(WINDOW, 3))
    client.send(WHOLE)
    client.until(lambda: client.body(1) == b"hel")
    client.send(setting(WINDOW, 2))
    client.send(frame(WINDOW_UPDATE, 1, number(1)))
    client.drain()
    assert client.body(1) == b"hel"
    client.send(frame(WINDOW_UPDATE, 1, number(1)))
    client.until(lambda: client.body(1) == b"hell")
