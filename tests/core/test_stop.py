"""Graceful stop: no new clients, idle ones are closed, what is in flight ends, the deadline cuts."""

from __future__ import annotations

import time

import pytest

from .app_server import Connection, Gate, echoes
from .http2 import head
from .wire import PATIENCE, eventually, refuses, reply, request


@pytest.fixture
def held(start_server, start_balancer):
    """A proxy, the gate of its server, a client whose request waits there."""
    gate = Gate(reply(b"finished"))
    proxy = start_balancer([start_server(gate)])
    client = proxy.client()
    client.send(request("GET", "/"))
    assert eventually(lambda: gate.waiting == 1)
    yield proxy, gate, client
    gate.open()


def test_with_nothing_to_do_it_stops_at_once(start_server, start_balancer):
    proxy = start_balancer([start_server(echoes)])
    proxy.client().get()
    started = time.monotonic()
    assert proxy.engine.stop(30.0)
    assert time.monotonic() - started < PATIENCE


def test_what_is_in_flight_ends_and_its_connection_closes(held, in_background):
    proxy, gate, client = held
    stopping = in_background(proxy.engine.stop, 30.0)
    assert eventually(lambda: refuses(proxy.address))
    gate.open()
    response = client.response()
    assert response.body == b"finished"
    assert response["connection"].lower() == "close"
    assert client.rest() == b""
    assert stopping.result() is True


def test_idle_connections_are_closed(held, in_background):
    proxy, gate, _ = held
    idle = proxy.client()
    stopping = in_background(proxy.engine.stop, 30.0)
    assert idle.rest() == b""
    assert not stopping.done
    gate.open()
    assert stopping.result() is True


def test_a_pipelined_request_behind_is_not_served(held, in_background):
    proxy, gate, client = held
    client.send(request("GET", "/behind"))
    stopping = in_background(proxy.engine.stop, 30.0)
    assert eventually(lambda: refuses(proxy.address))
    gate.open()
    assert client.response()["connection"].lower() == "close"
    assert client.rest() == b""
    assert stopping.result() is True


def test_a_request_that_has_begun_to_arrive_is_served(start_server, start_balancer, in_background):
    proxy = start_balancer([start_server(echoes)])
    client = proxy.client()
    client.send(request("POST", "/", "Content-Length: 10", body=b"hello"))
    assert eventually(lambda: proxy.stats().in_flight == 1)
    stopping = in_background(proxy.engine.stop, 30.0)
    assert eventually(lambda: refuses(proxy.address))
    client.send(b"world")
    assert client.response().body == b"helloworld"
    assert stopping.result() is True


def test_the_deadline_cuts(held):
    proxy, _, client = held
    assert proxy.engine.stop(0.3) is False
    assert b"finished" not in client.rest()


def test_a_body_that_is_cut_does_not_look_whole(start_server, start_balancer):
    def begins(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        connection.some()

    proxy = start_balancer([start_server(begins)])
    client = proxy.client()
    client.send(request("GET", "/"))
    client.message()
    assert proxy.engine.stop(0.2) is False
    assert not client.rest().endswith(b"0\r\n\r\n")


def test_a_second_call_cuts_it_short(held, in_background):
    proxy, _, _ = held
    stopping = in_background(proxy.engine.stop, 60.0)
    assert eventually(lambda: refuses(proxy.address))
    proxy.engine.stop(0)
    assert stopping.result() is False


def test_http_2_is_told_to_go_away_and_may_finish(start_server, start_balancer, tls, in_background):
    gate = Gate(reply(b"finished"))
    proxy = start_balancer([start_server(gate)], tls=tls)
    client = proxy.http2()
    stream = client.start(head())
    assert eventually(lambda: gate.waiting == 1)
    stopping = in_background(proxy.engine.stop, 30.0)
    client.until(lambda: client.goaway is not None)
    assert client.goaway == 0
    gate.open()
    assert client.response(stream).body == b"finished"
    assert stopping.result() is True


def test_an_idle_http_2_connection_is_told_to_go_away(start_server, start_balancer, tls, in_background):
    proxy = start_balancer([start_server(echoes)], tls=tls)
    client = proxy.http2()
    assert client.get().status == 200
    stopping = in_background(proxy.engine.stop, 10.0)
    client.until(lambda: client.closed)
    assert client.goaway == 0
    assert stopping.result() is True


def test_after_the_stop_there_are_no_events(start_balancer):
    proxy = start_balancer([])
    proxy.engine.stop(0)
    started = time.monotonic()
    assert proxy.engine.events(60.0) == []
    assert time.monotonic() - started < PATIENCE


def test_stopping_ends_a_wait_for_events(start_balancer, in_background):
    proxy = start_balancer([])
    waiting = in_background(proxy.engine.events, 60.0)
    proxy.engine.stop(0)
    assert waiting.result() == []


def test_stopping_twice_is_harmless(start_balancer):
    proxy = start_balancer([])
    assert proxy.engine.stop(1.0) is True
    assert proxy.engine.stop(1.0) is True


def test_a_port_is_free_after_the_stop(start_server, start_balancer):
    proxy = start_balancer([start_server(echoes)])
    proxy.client().get()
    proxy.engine.stop(0)
    again = start_balancer([start_server(echoes)], address=proxy.address)
    assert again.client().get().status == 200


def test_connections_to_servers_are_closed_by_the_stop(start_server, start_balancer):
    app = start_server(echoes)
    proxy = start_balancer([app])
    proxy.client().get()
    proxy.engine.stop(0)
    assert eventually(lambda: app.connections[0].sock.fileno() == -1)
