"""Tables: what goes where, how one replaces the other, what happens to what is in flight; counters of it all."""

from __future__ import annotations

import pytest

from headrace._core import Route, RoutingTable, Server, Service, TableError

from .app_server import Gate, answers, echoes, hangs_up, named, refused_address
from .wire import eventually, reply, request


def web(*servers: Server) -> list[Service]:
    return [Service("web", servers)]


@pytest.fixture
def held(start_server, start_balancer):
    """A proxy, the gate of its one server s0, and a client whose request waits there."""
    gate = Gate(reply(b"finished"))
    proxy = start_balancer([start_server(gate)])
    client = proxy.client()
    client.send(request("GET", "/held"))
    assert eventually(lambda: gate.waiting == 1)
    yield proxy, gate, client
    gate.open()


def test_a_new_table_counts_for_the_next_request(start_server, start_balancer):
    proxy = start_balancer([start_server(named("old"))])
    client = proxy.client()
    assert client.get().body == b"old"
    proxy.publish([Server("new", start_server(named("new")).address)])
    assert client.get().body == b"new"


def test_many_tables_lose_no_request(start_server, start_balancer, in_background):
    apps = [start_server(named(name)) for name in "ab"]
    proxy = start_balancer(apps, threads=2)
    client = proxy.client()
    requests = in_background(lambda: [client.get().status for _ in range(300)])
    count = 0
    while not requests.done:
        proxy.publish([Server(f"s{count % 2}", apps[count % 2].address)])
        count += 1
    assert requests.result() == [200] * 300
    assert count > 5


def test_what_is_in_flight_ends_where_it_is(held, start_server):
    proxy, gate, client = held
    proxy.publish([Server("new", start_server(named("new")).address)])
    assert proxy.client().get().body == b"new"
    gate.open()
    assert client.response().body == b"finished"


def test_a_server_that_left_is_drained_when_nothing_is_in_flight(held, start_server):
    proxy, gate, client = held
    proxy.publish([Server("new", start_server(named("new")).address)])
    assert [event.kind for event in proxy.engine.events(0.2)] == []
    assert {stats.id: stats.in_flight for stats in proxy.balancer.stats()} == {"new": 0, "s0": 1}
    gate.open()
    proxy.event("drained", "s0")
    assert client.response().body == b"finished"
    assert [stats.id for stats in proxy.balancer.stats()] == ["new"]


def test_an_idle_server_that_leaves_is_drained_at_once(start_server, start_balancer):
    proxy = start_balancer([start_server(echoes), start_server(echoes)])
    assert proxy.client().get().status == 200
    proxy.publish([])
    proxy.event("drained", "s0")
    proxy.event("drained", "s1")
    assert proxy.balancer.stats() == []


def test_connections_to_a_server_that_left_are_closed(start_server, start_balancer):
    app = start_server(echoes)
    proxy = start_balancer([app])
    proxy.client().get()
    proxy.publish([])
    assert eventually(lambda: app.connections[0].sock.fileno() == -1)


def test_a_server_that_comes_back_before_it_was_drained_is_not_drained(held, start_server):
    proxy, gate, client = held
    proxy.publish([])
    proxy.publish([Server("s0", refused_address())])
    gate.open()
    assert client.response().body == b"finished"
    assert [event.kind for event in proxy.engine.events(0.2)] == []


def test_cut_ends_what_is_left(held):
    proxy, _, client = held
    proxy.publish([])
    assert proxy.balancer.cut("s0") == 1
    proxy.event("drained", "s0")
    # It had not answered a byte, so the client can be told.
    assert client.response().status in {502, 503, 504}
    assert proxy.balancer.cut("s0") == 0
    assert proxy.balancer.cut("nobody") == 0


def test_a_response_that_is_cut_does_not_look_whole(start_server, start_balancer):
    def begins(connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        connection.some()

    proxy = start_balancer([start_server(begins)])
    client = proxy.client()
    client.send(request("GET", "/"))
    client.message()
    assert client.read(10) == b"5\r\nhello\r\n"
    proxy.publish([])
    assert proxy.balancer.cut("s0") == 1
    assert client.rest() == b""


def test_the_same_id_keeps_counters_and_connections(start_server, start_balancer):
    app = start_server(echoes)
    proxy = start_balancer([app])
    client = proxy.client()
    client.get()
    proxy.publish([app])
    client.get()
    assert proxy.stats().requests == 2
    assert len(app.connections) == 1


def test_a_new_address_of_the_same_id_is_used(start_server, start_balancer):
    proxy = start_balancer([start_server(named("old"))])
    client = proxy.client()
    client.get()
    proxy.publish([start_server(named("new"))])
    assert [client.get().body, client.get().body] == [b"new", b"new"]


@pytest.mark.parametrize(
    ("services", "route"),
    [
        pytest.param([], "nobody", id="unknown-service"),
        pytest.param(web(Server("a", "127.0.0.1:1"), Server("a", "127.0.0.1:2")), "web", id="doubled-id"),
        pytest.param(web() + web(), "web", id="doubled-service"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(services, route):
    with pytest.raises(TableError):
        RoutingTable(services, [Route(route)])


@pytest.fixture
def routed(start_server, start_balancer):
    """Answers with the name of the service that was picked."""
    names = ["api", "deep", "blog", "rest"]
    services = [Service(name, [Server(name, start_server(named(name)).address)]) for name in names]
    routes = [
        Route("deep", path="/api/v2"),
        Route("api", path="/api"),
        Route("blog", host="blog.test"),
        Route("blog", host="news.test", path="/blog/"),
        Route("rest"),
    ]
    proxy = start_balancer([])
    proxy.balancer.publish(RoutingTable(services, routes))
    return proxy


@pytest.mark.parametrize(
    ("host", "target", "service"),
    [
        ("app.test", "/", "rest"),
        ("app.test", "/api", "api"),
        ("app.test", "/api/", "api"),
        ("app.test", "/api?x=/api/v2", "api"),
        ("app.test", "/api/v1", "api"),
        ("app.test", "/apiary", "rest"),
        ("app.test", "/api/v2", "deep"),
        ("app.test", "/api/v2/x", "deep"),
        ("app.test", "/api/v20", "api"),
        ("app.test", "/API", "rest"),
        ("blog.test", "/", "blog"),
        ("blog.test", "/api", "api"),
        ("blog.test:2000", "/x", "blog"),
        ("BLOG.Test", "/x", "blog"),
        ("xblog.test", "/x", "rest"),
        ("blog.test.evil", "/x", "rest"),
        ("news.test", "/blog/x", "blog"),
        ("news.test", "/blogger", "rest"),
    ],
)
def test_the_first_route_that_fits_counts(routed, host, target, service):
    client = routed.client()
    client.send(request("GET", target, host=host))
    assert client.response().body.decode() == service


def test_a_request_that_no_route_fits_reaches_nobody(start_server, start_balancer):
    app = start_server(echoes)
    client = start_balancer([app], routes=[Route("web", path="/only")]).client()
    assert client.get("/only").status == 200
    assert client.get("/else").status in {404, 503}
    assert app.targets == ["/only"]


def test_requests_and_latency_are_counted(start_server, start_balancer):
    proxy = start_balancer([start_server(echoes)])
    client = proxy.client()
    for _ in range(10):
        client.get()
    assert eventually(lambda: proxy.stats().latency.sum > 0 and sum(proxy.stats().latency.counts) == 10)
    stats = proxy.stats()
    assert (stats.requests, stats.in_flight, stats.failures, stats.last_failure) == (10, 0, 0, "")
    assert len(stats.latency.bounds) == len(stats.latency.counts)
    assert stats.latency.bounds[-1] == float("inf")
    assert 0 < stats.latency.percentile(50) <= stats.latency.percentile(99) < 10


def test_failures_are_counted_with_their_reason(start_server, start_balancer):
    proxy = start_balancer([start_server(lambda c: (hangs_up if c.index < 2 else echoes)(c))])
    for _ in range(2):
        assert proxy.client().post(b"").status == 502
    stats = proxy.stats()
    assert (stats.failures, stats.failures_in_a_row) == (2, 2)
    assert stats.last_failure
    assert proxy.client().get().status == 200
    assert eventually(lambda: proxy.stats().failures_in_a_row == 0)
    assert proxy.stats().failures == 2


def test_an_answer_of_500_is_no_failure_to_answer(start_server, start_balancer):
    proxy = start_balancer([start_server(answers(reply(b"", status="500 Internal Server Error")))])
    assert proxy.client().get().status == 500
    assert proxy.stats().failures == 0


def test_a_client_that_leaves_is_no_failure_of_the_server(held):
    proxy, _, client = held
    client.reset()
    assert eventually(lambda: proxy.stats().in_flight == 0)
    assert proxy.stats().failures == 0


def test_the_engine_counts(start_server, start_balancer):
    proxy = start_balancer([start_server(answers(reply(), reply(b"", status="404 Not Found")))])
    client = proxy.client()
    for _ in range(3):
        client.get()
    refused = proxy.client()
    refused.exchange("GET", "/", "Content-Length: x")
    refused.close()
    client.close()
    assert eventually(lambda: proxy.engine.counters().connections_open == 0)
    counters = proxy.engine.counters()
    assert counters.connections_accepted == 2
    assert counters.requests_http1 in {3, 4}  # whether what cannot be read is a request is for each to say
    assert counters.responses["2xx"] == 1
    assert counters.responses["4xx"] == 3
    assert counters.refused["bad_request"] == 1
    assert counters.upstream_connections == 1
    assert counters.bytes_received >= 3 * len(request("GET", "/"))
    assert counters.bytes_sent >= len(client.received)
    assert counters.latency.sum > 0
