"""Streams of a server that leaves, or of a balancer that stops, end one after the other, not all at the deadline."""

from __future__ import annotations

import time

import pytest

from .app_server import Connection, Gate
from .http2 import head
from .wire import Client, eventually, reply, request

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ndata: 0\r\n"
STREAM_AGE = 10.0  # seconds after which a response without a length counts as a stream
DRAIN = 4.0
MANY = 30


def echoes_bytes(connection: Connection) -> None:
    """A tunnel that answers with what it gets."""
    connection.request()
    connection.send(SWITCH)
    while data := connection.some():
        connection.send(data)


def tells_events(connection: Connection) -> None:
    connection.request()
    connection.send(EVENTS)
    connection.some()


def tunnel(client: Client) -> Client:
    assert client.get("/", "Connection: Upgrade", "Upgrade: echo").status == 101
    client.send(b"hello")
    assert client.read(5) == b"hello"
    return client


def moments(clients: list[Client], since: float, within: float) -> list[float]:
    """When each client's connection had something to read, in seconds after `since`, in order."""
    seen: dict[int, float] = {}
    while len(seen) < len(clients) and time.monotonic() < since + within:
        for number, client in enumerate(clients):
            if number not in seen and client.readable(0):
                seen[number] = time.monotonic() - since
        time.sleep(0.02)
    return sorted(seen.values())


def assert_spread(ends: list[float]) -> None:
    """All ended before the deadline, and no third of the time took more than half of them."""
    assert len(ends) == MANY
    assert ends[-1] < DRAIN
    third = DRAIN / 3
    counts = [sum(start <= end < start + third for end in ends) for start in (0, third, 2 * third)]
    assert max(counts) <= MANY / 2, counts


def test_tunnels_of_a_leaving_server_close_spread_over_the_drain(start_server, start_balancer):
    proxy = start_balancer([start_server(echoes_bytes)])
    clients = [tunnel(proxy.client()) for _ in range(MANY)]
    proxy.publish([])
    proxy.balancer.end_streams("s0", DRAIN)
    assert_spread(moments(clients, time.monotonic(), DRAIN))
    assert all(client.ended_cleanly() for client in clients)
    assert proxy.event("drained", "s0")


def test_tunnels_of_a_stopping_balancer_close_spread_over_the_drain(start_server, start_balancer, in_background):
    proxy = start_balancer([start_server(echoes_bytes)])
    clients = [tunnel(proxy.client()) for _ in range(MANY)]
    stopping = in_background(proxy.engine.stop, DRAIN)
    assert_spread(moments(clients, time.monotonic(), DRAIN))
    assert all(client.ended_cleanly() for client in clients)
    for client in clients:
        client.close()
    assert stopping.result() is True


def test_a_tunnel_over_tls_closes_with_a_notice(start_server, start_balancer, tls, authority):
    proxy = start_balancer([start_server(echoes_bytes)], tls=tls)
    client = tunnel(proxy.client(tls=authority.client_context()))
    proxy.publish([])
    proxy.balancer.end_streams("s0", 1.0)
    assert client.ended_cleanly()


def test_the_server_sees_the_end_of_its_tunnel(start_server, start_balancer):
    app = start_server(echoes_bytes)
    proxy = start_balancer([app])
    tunnel(proxy.client())
    proxy.publish([])
    proxy.balancer.end_streams("s0", 0.5)
    assert eventually(lambda: app.connections[0].sock.fileno() == -1)


def test_ordinary_requests_are_not_ended(start_server, start_balancer):
    gate = Gate(reply(b"finished"))
    proxy = start_balancer([start_server(gate)])
    client = proxy.client()
    client.send(request("GET", "/"))
    assert eventually(lambda: gate.waiting == 1)
    proxy.publish([])
    proxy.balancer.end_streams("s0", 0.2)
    assert not client.readable(2.0)
    gate.open()
    assert client.response().body == b"finished"


def test_a_young_response_without_length_is_not_ended(start_server, start_balancer):
    proxy = start_balancer([start_server(tells_events)])
    client = proxy.client()
    client.send(request("GET", "/"))
    client.message()
    assert client.read(12) == b"7\r\ndata: 0\r\n"
    proxy.publish([])
    proxy.balancer.end_streams("s0", 1.0)
    assert not client.readable(2.0)


def test_a_server_that_is_back_keeps_its_streams(start_server, start_balancer):
    app = start_server(echoes_bytes)
    proxy = start_balancer([app])
    client = tunnel(proxy.client())
    proxy.publish([])
    proxy.balancer.end_streams("s0", 3.0)
    proxy.publish([app])
    assert not client.readable(4.0)
    client.send(b"still")
    assert client.read(5) == b"still"


def test_streams_of_a_listed_server_are_left_alone(start_server, start_balancer):
    proxy = start_balancer([start_server(echoes_bytes)])
    client = tunnel(proxy.client())
    proxy.balancer.end_streams("s0", 0.1)
    assert not client.readable(2.0)


@pytest.mark.slow
def test_event_streams_break_visibly_once_they_are_old_enough(start_server, start_balancer, tls):
    app = start_server(tells_events)
    plain, secure = start_balancer([app]), start_balancer([app], tls=tls)
    began = time.monotonic()
    one = plain.client()
    one.send(request("GET", "/"))
    assert one.message().status == 200
    two = secure.http2()
    stream = two.start(head())
    two.until(lambda: two.replies[stream].body)
    for proxy in (plain, secure):
        proxy.publish([])
        proxy.balancer.end_streams("s0", STREAM_AGE + 4)
    assert one.read(12) == b"7\r\ndata: 0\r\n"
    assert one.readable(STREAM_AGE + 4)
    assert time.monotonic() >= began + STREAM_AGE
    two.until(lambda: two.replies[stream].over or two.closed, within=STREAM_AGE + 4)
    assert one.rest() == b""
    assert two.replies[stream].reset is not None
    assert time.monotonic() >= began + STREAM_AGE
