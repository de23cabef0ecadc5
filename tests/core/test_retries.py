"""What is tried again, where, and what never is: RFC 9110, 9.2.2, and the balancer's rule of one more try."""

from __future__ import annotations

import random
import threading
import time

import pytest

from headrace._core import Server

from .app_server import Connection, Gate, answers, deaf_address, echoes, hangs_up, named, refused_address
from .wire import chunked, eventually, reply, request


def behind(*addresses: str) -> list[Server]:
    return [Server(f"s{number}", address) for number, address in enumerate(addresses)]


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_no_connection_means_elsewhere_for_any_method(start_server, start_balancer, method):
    app = start_server(echoes)
    proxy = start_balancer(behind(refused_address(), app.address))
    for _ in range(4):
        assert proxy.client().exchange(method, "/", "Content-Length: 5", body=b"hello").body == b"hello"
    assert len(app.requests) == 4
    assert proxy.stats("s0").failures >= 1
    assert "refused" in proxy.stats("s0").last_failure.lower()
    assert proxy.engine.counters().retries >= 1


def test_a_streaming_body_survives_a_refused_connection(start_server, start_balancer):
    app = start_server(echoes)
    proxy = start_balancer(behind(refused_address(), app.address))
    for _ in range(2):
        client = proxy.client()
        client.send(request("POST", "/", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n"))
        client.send(chunked(b" world"))
        assert client.response().body == b"hello world"


def test_a_connection_that_is_not_answered_means_elsewhere(start_server, start_balancer):
    app = start_server(echoes)
    with deaf_address() as address:
        proxy = start_balancer(behind(address, app.address), options={"connect_timeout": 0.3})
        assert [proxy.client().post(b"hello").status for _ in range(2)] == [200, 200]


def test_with_nowhere_else_to_go_it_is_a_502(start_balancer):
    client = start_balancer(behind(refused_address())).client()
    assert client.get().status == 502
    assert client.post(b"hello").status == 502


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_an_idempotent_request_goes_elsewhere_once(start_server, start_balancer, method):
    bad, good = start_server(hangs_up), start_server(answers())
    proxy = start_balancer([bad, good])
    for _ in range(2):
        assert proxy.client().exchange(method, "/").status == 200
    assert len(bad.requests) in {1, 2}  # a retry takes a turn, or it doesn't
    assert len(good.requests) == 2


def test_it_goes_elsewhere_once_and_no_more(start_server, start_balancer):
    apps = [start_server(hangs_up) for _ in range(3)]
    assert start_balancer(apps).client().get().status == 502
    assert sorted(len(app.requests) for app in apps) == [0, 1, 1]


@pytest.mark.parametrize("method", ["POST", "PATCH", "PURGE"])
def test_a_request_that_may_have_had_effect_is_not_repeated(start_server, start_balancer, method):
    apps = [start_server(hangs_up) for _ in range(2)]
    proxy = start_balancer(apps)
    for count in range(1, 5):
        assert proxy.client().exchange(method, "/", "Content-Length: 5", body=b"hello").status == 502
        assert sum(len(app.requests) for app in apps) == count


def test_after_a_byte_of_the_response_nothing_is_repeated(start_server, start_balancer):
    def begins(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 2")

    apps = [start_server(begins) for _ in range(2)]
    assert start_balancer(apps).client().get().status == 502
    assert sum(len(app.requests) for app in apps) == 1


def test_a_late_answer_is_a_504_and_not_repeated(start_server, start_balancer):
    gate = Gate()
    apps = [start_server(gate) for _ in range(2)]
    proxy = start_balancer(apps, options={"response_timeout": 0.3})
    response = proxy.client().get()
    assert response.status == 504
    assert sum(len(app.requests) for app in apps) == 1
    assert sum(stats.failures for stats in proxy.balancer.stats()) == 1
    gate.open()


def test_the_deadline_runs_from_the_end_of_the_request(start_server, start_balancer):
    """A long upload is not the server's delay."""
    proxy = start_balancer([start_server(echoes)], options={"response_timeout": 0.4})
    client = proxy.client()
    client.send(request("POST", "/", "Content-Length: 10"))
    for _ in range(10):
        time.sleep(0.1)
        client.send(b"x")
    assert client.response().status == 200


def test_the_budget_bounds_retries(start_server, start_balancer):
    """Nearly every first try goes to the heavy server, which fails all; the retries are held at the other."""
    gate = Gate()
    bad, other = start_server(hangs_up), start_server(gate)
    servers = [Server("bad", bad.address, weight=1000), Server("other", other.address, weight=1)]
    proxy = start_balancer(servers, options={"retry_budget": 0.0001, "retry_budget_min": 2})
    clients = [proxy.client() for _ in range(20)]
    for client in clients:
        client.send(request("GET", "/"))
    assert eventually(lambda: sum(client.readable(0) for client in clients) >= 17)
    assert eventually(lambda: gate.waiting >= 2)
    assert gate.waiting <= 3  # the retries, and perhaps one whose first turn it was
    gate.open()
    statuses = [client.response().status for client in clients]
    assert statuses.count(200) == len(other.requests)
    assert set(statuses) == {200, 502}


def closes_unread(connection: Connection) -> None:
    """Answers one request; closes at the first byte of the next one, without reading it."""
    connection.request()
    connection.send(reply(b"%d" % connection.index))
    connection.readable(10)


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_a_kept_connection_that_closes_as_the_request_comes_fails_nobody(start_server, start_balancer, method):
    app = start_server(closes_unread)
    client = start_balancer([app]).client()
    for _ in range(5):
        assert client.exchange(method, "/", "Content-Length: 5", body=b"hello").status == 200
    assert len(app.requests) == 5


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_kept_connection_that_was_closed_is_not_used(start_server, start_balancer, method):
    def closes(connection: Connection) -> None:
        connection.request()
        connection.send(reply())

    app = start_server(closes)
    client = start_balancer([app]).client()
    for count in range(1, 6):
        assert client.exchange(method, "/", "Content-Length: 5", body=b"hello").status == 200
        assert eventually(lambda count=count: [c.sock.fileno() for c in app.connections].count(-1) == count)


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_servers_that_close_idle_connections_at_random_fail_nobody(start_server, start_balancer, ending):
    """Each POST is seen exactly once, each GET at least once."""
    moments = random.Random(7)

    def closes_at_random(connection: Connection) -> None:
        while connection.readable(moments.uniform(0.0, 0.02)):
            if not (message := connection.request()):
                return
            connection.send(reply(message.target.encode()))
        getattr(connection, ending)()

    app = start_server(closes_at_random)
    client = start_balancer([app]).client()
    for number in range(300):
        method = ("GET", "POST")[number % 2]
        response = client.exchange(method, f"/{number}", "Content-Length: 5", body=b"hello")
        assert (response.status, response.body) == (200, b"/%d" % number)
        threading.Event().wait(moments.uniform(0.0, 0.02))
    posts = [message.target for message in app.requests if message.method == "POST"]
    assert posts == [f"/{number}" for number in range(1, 300, 2)]


def test_a_get_on_a_stale_connection_may_stay_with_its_only_server(start_server, start_balancer):
    """A retry for a stale connection is always allowed: it is not the server that failed."""
    app = start_server(closes_unread)
    proxy = start_balancer([app])
    client = proxy.client()
    assert [client.get().body for _ in range(4)] == [b"0", b"1", b"2", b"3"]
    assert proxy.stats().failures == 0


def test_a_stale_connection_costs_no_budget(start_server, start_balancer):
    app = start_server(closes_unread)
    proxy = start_balancer([app], options={"retry_budget": 0.0001, "retry_budget_min": 1})
    clients = [proxy.client() for _ in range(8)]
    for _ in range(3):
        for client in clients:
            client.send(request("GET", "/"))
        assert [client.response().status for client in clients] == [200] * 8


def test_idle_connections_are_bounded(start_server, start_balancer):
    gate = Gate()
    app = start_server(gate)
    proxy = start_balancer([app], options={"idle_connections": 2})
    clients = [proxy.client() for _ in range(6)]
    for client in clients:
        client.send(request("GET", "/"))
    assert eventually(lambda: gate.waiting == 6)
    gate.open()
    assert [client.response().status for client in clients] == [200] * 6
    assert eventually(lambda: [c.sock.fileno() for c in app.connections].count(-1) == 4)


def test_idle_connections_age_out(start_server, start_balancer):
    app = start_server(echoes)
    proxy = start_balancer([app], options={"idle_timeout": 0.3})
    proxy.client().get()
    assert eventually(lambda: app.connections[0].sock.fileno() == -1)


def test_a_failing_server_does_not_hurt_its_neighbour(start_server, start_balancer):
    good = start_server(named("good"))
    proxy = start_balancer([start_server(hangs_up), good], options={"retry_budget_min": 100})
    client = proxy.client()
    assert {client.get().body for _ in range(40)} == {b"good"}
