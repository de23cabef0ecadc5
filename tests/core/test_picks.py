"""Which server gets a request: round robin, weights, least-loaded, capacity, and the queue when all are full."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest

from headrace._core import CoreError, Server

from .app_server import Gate, named
from .wire import eventually, request


def bodies(proxy, count: int) -> list[str]:
    client = proxy.client()
    return [client.get().body.decode() for _ in range(count)]


@pytest.fixture
def abc(start_server):
    return [start_server(named(name)) for name in "abc"]


def test_round_robin_takes_turns(abc, start_balancer):
    order = bodies(start_balancer(abc), 9)
    assert order[:3] == order[3:6] == order[6:]
    assert sorted(order[:3]) == ["a", "b", "c"]


def test_turns_are_taken_over_connections_too(abc, start_balancer):
    proxy = start_balancer(abc)
    assert Counter(proxy.client().get().body for _ in range(9)) == {b"a": 3, b"b": 3, b"c": 3}


@pytest.mark.parametrize("policy", ["round-robin", "least-loaded"])
def test_every_server_gets_a_fair_share_on_several_threads(abc, start_balancer, policy):
    proxy = start_balancer(abc, policy=policy, threads=2)
    counts = Counter(proxy.client().get().body for _ in range(120))
    assert min(counts[name] for name in (b"a", b"b", b"c")) >= 15


def test_weights_are_shares(start_server, start_balancer):
    a, b = start_server(named("a")), start_server(named("b"))
    proxy = start_balancer([Server("a", a.address, weight=3), Server("b", b.address, weight=1)])
    assert Counter(bodies(proxy, 40)) == {"a": 30, "b": 10}


def test_weights_are_spread_not_bunched(start_server, start_balancer):
    a, b = start_server(named("a")), start_server(named("b"))
    proxy = start_balancer([Server("a", a.address, weight=5), Server("b", b.address, weight=5)])
    assert "aaa" not in "".join(bodies(proxy, 40))


@pytest.mark.parametrize("weight", [0, -1, 1001])
def test_a_weight_out_of_range_is_refused(weight):
    with pytest.raises((CoreError, ValueError, OverflowError)):
        Server("a", "127.0.0.1:1", weight=weight)


def test_least_loaded_prefers_who_is_idle(start_server, start_balancer):
    """With two servers, both are always the two that are compared."""
    gate = Gate()
    busy, idle = start_server(gate), start_server(named("idle"))
    proxy = start_balancer([busy, idle], policy="least-loaded")
    held = []
    while gate.waiting == 0:
        held.append(proxy.client())
        held[-1].send(request("GET", "/"))
        assert eventually(lambda: gate.waiting or held[-1].readable(0.01))
    assert set(bodies(proxy, 20)) == {"idle"}
    gate.open()


def test_least_loaded_weighs_the_load(start_server, start_balancer):
    gates = [Gate(), Gate()]
    apps = [start_server(gate) for gate in gates]
    servers = [Server("heavy", apps[0].address, weight=3), Server("light", apps[1].address, weight=1)]
    proxy = start_balancer(servers, policy="least-loaded")
    for count in range(1, 9):
        proxy.client().send(request("GET", "/"))
        assert eventually(lambda count=count: sum(gate.waiting for gate in gates) == count)
    assert [gate.waiting for gate in gates] == [6, 2]
    for gate in gates:
        gate.open()


def full(start_server, start_balancer, **start):
    """A server of capacity 1 that holds a request."""
    gate = Gate()
    app = start_server(gate)
    proxy = start_balancer([Server("s0", app.address, capacity=1)], **start)
    first = proxy.client()
    first.send(request("GET", "/first"))
    assert eventually(lambda: gate.waiting == 1)
    return proxy, gate, app, first


def waits(proxy, target: str = "/queued"):
    """A client whose request is in the queue."""
    before = proxy.engine.counters().queued
    client = proxy.client()
    client.send(request("GET", target))
    assert eventually(lambda: proxy.engine.counters().queued == before + 1)
    return client


def test_a_full_server_is_passed_over(start_server, start_balancer):
    gate = Gate()
    full, free = start_server(gate), start_server(named("free"))
    proxy = start_balancer([Server("full", full.address, capacity=1), Server("free", free.address)])
    client = proxy.client()
    client.send(request("GET", "/"))
    if not eventually(lambda: gate.waiting, 0.5):  # the first turn was the other's
        proxy.client().send(request("GET", "/"))
    assert eventually(lambda: gate.waiting == 1)
    assert bodies(proxy, 10) == ["free"] * 10
    gate.open()


def test_capacity_is_never_exceeded(start_server, start_balancer):
    gates = [Gate(), Gate()]
    apps = [start_server(gate) for gate in gates]
    proxy = start_balancer([Server(f"s{number}", app.address, capacity=2) for number, app in enumerate(apps)])
    clients = [proxy.client() for _ in range(10)]
    for client in clients:
        client.send(request("GET", "/"))
    assert eventually(lambda: proxy.engine.counters().queued == 6)
    assert eventually(lambda: [gate.waiting for gate in gates] == [2, 2])
    assert [len(app.requests) for app in apps] == [2, 2]
    for gate in gates:
        gate.open()
    assert [client.response().status for client in clients] == [200] * 10


def test_a_queued_request_is_served_as_soon_as_there_is_room(start_server, start_balancer):
    proxy, gate, app, first = full(start_server, start_balancer)
    queued = waits(proxy)
    assert app.targets == ["/first"]
    gate.open()
    assert (first.response().status, queued.response().status) == (200, 200)
    assert proxy.engine.counters().queued == 0


def test_the_queue_is_first_come_first_served(start_server, start_balancer):
    proxy, gate, app, _ = full(start_server, start_balancer)
    clients = [waits(proxy, f"/{number}") for number in range(4)]
    gate.open()
    assert all(client.response().status == 200 for client in clients)
    assert app.targets == ["/first", "/0", "/1", "/2", "/3"]


def test_a_queued_request_gives_up_in_time(start_server, start_balancer):
    proxy, gate, app, _ = full(start_server, start_balancer, options={"queue_timeout": 0.3})
    response = waits(proxy).response()
    assert response.status == 503
    assert int(response["retry-after"]) >= 1
    assert app.targets == ["/first"]
    gate.open()


def test_over_its_length_the_queue_refuses_at_once(start_server, start_balancer):
    proxy, gate, app, _ = full(start_server, start_balancer, options={"queue_length": 2, "queue_timeout": 30.0})
    queued = [waits(proxy), waits(proxy)]
    response = proxy.client().get("/over")
    assert response.status == 503
    assert int(response["retry-after"]) >= 1
    gate.open()
    assert [client.response().status for client in queued] == [200, 200]
    assert "/over" not in app.targets


def test_a_client_that_leaves_gives_its_place_back(start_server, start_balancer):
    proxy, gate, app, _ = full(start_server, start_balancer, options={"queue_length": 1, "queue_timeout": 30.0})
    waits(proxy, "/gone").reset()
    assert eventually(lambda: proxy.engine.counters().queued == 0)
    stays = waits(proxy, "/stays")
    gate.open()
    assert stays.response().status == 200
    assert app.targets == ["/first", "/stays"]


def test_a_larger_table_serves_the_queue(start_server, start_balancer):
    proxy, gate, app, _ = full(start_server, start_balancer)
    queued = waits(proxy)
    other = start_server(named("other"))
    proxy.publish([Server("s0", app.address, capacity=1), Server("s1", other.address)])
    assert queued.response().body == b"other"
    gate.open()


def test_without_servers_a_request_is_refused_at_once(start_balancer):
    started = time.monotonic()
    response = start_balancer([]).client().get()
    assert response.status == 503
    assert "No app servers found" in json.loads(response.body)["message"]
    assert int(response["retry-after"]) >= 1
    assert time.monotonic() - started < 4  # the queue would be 5 s


def test_a_service_on_hold_waits_for_its_servers(start_server, start_balancer):
    proxy = start_balancer([], hold=True)
    held = [waits(proxy) for _ in range(3)]
    proxy.publish([start_server(named("back"))])
    assert [client.response().body for client in held] == [b"back"] * 3


def test_a_hold_ends_in_time(start_balancer):
    response = start_balancer([], hold=True, options={"queue_timeout": 0.3}).client().get()
    assert response.status == 503
    assert b"No app servers found" in response.body
    assert "retry-after" in response


def test_a_hold_that_is_given_up_refuses_who_waits(start_balancer):
    proxy = start_balancer([], hold=True, options={"queue_timeout": 30.0})
    held = waits(proxy)
    proxy.publish([])
    assert held.response().status == 503


def test_a_body_waits_with_its_request(start_server, start_balancer):
    proxy = start_balancer([], hold=True)
    client = proxy.client()
    client.send(request("POST", "/", "Content-Length: 5", body=b"hello"))
    assert eventually(lambda: proxy.engine.counters().queued == 1)
    app = start_server(named("back"))
    proxy.publish([app])
    assert client.response().body == b"back"
    assert app.requests[0].body == b"hello"
