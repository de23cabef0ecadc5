"""The admin port's calls, without its socket."""

import asyncio
from types import MappingProxyType

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from headrace.balancer.admin import Admin
from headrace.balancer.metrics import BalancerCollector
from headrace.balancer.purging import Purging
from headrace.balancer.signing import Signing
from headrace.service.access import Access

from .conftest import CoreEvent, Latency, eventually, unasked

TOKEN = "correct-token"
GOOD = {"Authorization": f"Bearer {TOKEN}"}


class Counters:
    """What the core would have counted."""

    connections_accepted = 7
    connections_open = 2
    connections_refused = 0
    tls_handshakes = 5
    tls_resumed = 1
    tls_failed = 1
    requests_http1 = 10
    requests_http2 = 20
    responses = MappingProxyType({"2xx": 29, "5xx": 1})
    refused = MappingProxyType({"bad_request": 1})
    bytes_received = 100
    bytes_sent = 200
    retries = 1
    queued = 0
    upstream_connections = 3
    tunnels_open = 0
    compressed = MappingProxyType({"zstd": 4, "br": 0, "gzip": 1})
    compressed_in = 5000
    compressed_out = 1000
    latency = Latency()


class Port:
    """The app with a switch for being open and one for being ready."""

    def __init__(self, rig):
        self.rig = rig
        self.ready = True
        self.sign = unasked
        self.purged = []

    def purge(self, **what):
        self.purged.append(what)
        return 7

    def client(self, *, headers=GOOD, client=("127.0.0.1", 5000), is_open=False):
        membership = self.rig.membership
        collector = BalancerCollector(Counters, self.rig.traffic.stats, membership.registry.members, lambda: None)
        access = Access(TOKEN, ["mill", "mill.example.org"], open=is_open)
        app = Admin(
            membership,
            self.rig.hub,
            collector,
            access,
            Signing(access.names, self.sign),
            Purging(self.purge),
            ready=lambda: self.ready,
        ).app()
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app, client=client), base_url="https://127.0.0.1:2001", headers=headers
        )


@pytest.fixture
def port(rig):
    return Port(rig)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_register_adds_the_caller_and_replies_its_record(port, method):
    async with port.client(client=("10.0.0.9", 1234)) as client:
        reply = await client.request(method, "/register?port=3000&service=shop&weight=2&version=1.0")
    assert reply.status_code == 200
    record = reply.json()
    assert record["address"] == "10.0.0.9:3000"
    assert (record["state"], record["services"], record["weight"]) == ("joining", ["shop"], 2)
    assert record["lease_age"] == 0.0


async def test_register_is_idempotent_and_renews(port):
    async with port.client() as client:
        first = (await client.get("/register?port=3000")).json()
        port.rig.time.pass_(5)
        again = (await client.get("/register?port=3000")).json()
    assert first["id"] == again["id"]
    assert again["lease_age"] == 0.0


@pytest.mark.parametrize("query", ["", "port=", "port=0", "port=99999", "port=abc", "port=3000&weight=0"])
async def test_a_bad_registration_is_400_with_the_reason(port, query):
    async with port.client() as client:
        reply = await client.get(f"/register?{query}")
    assert reply.status_code == 400
    assert reply.json()["error"] == "bad_request"
    assert "must be" in reply.json()["message"]


async def test_the_core_may_refuse_a_server_too(port):
    async with port.client() as client:
        assert (await client.get("/register?port=1&address=refused")).status_code == 400


async def test_unregister_says_how_much_is_in_flight(port):
    server = port.rig.up("127.0.0.1:3000")
    port.rig.traffic.in_flight[server] = 3
    async with port.client() as client:
        record = (await client.post("/unregister?port=3000")).json()
    assert (record["state"], record["in_flight"]) == ("draining", 3)


async def test_unregister_with_wait_replies_when_nothing_is_in_flight(port):
    server = port.rig.up("127.0.0.1:3000")
    port.rig.traffic.in_flight[server] = 1
    async with port.client() as client:
        call = asyncio.create_task(client.post("/unregister?port=3000&wait=30"))
        await eventually(lambda: port.rig.membership._left)
        port.rig.traffic.in_flight.clear()
        port.rig.membership.happened([CoreEvent("drained", server)])
        record = (await call).json()
    assert (record["state"], record["in_flight"]) == ("gone", 0)


async def test_unregister_with_wait_replies_at_the_latest_when_that_is_over(port):
    server = port.rig.up("127.0.0.1:3000")
    port.rig.traffic.in_flight[server] = 1
    async with port.client() as client:
        record = (await client.post("/unregister?port=3000&wait=0.01")).json()
    assert (record["state"], record["in_flight"]) == ("draining", 1)


async def test_unregister_with_drain_says_how_long_the_server_stays(port):
    server = port.rig.up("127.0.0.1:3000")
    async with port.client() as client:
        await client.post("/unregister?port=3000&drain=12s")
    assert port.rig.traffic.ending == {server: 12.0}


@pytest.mark.parametrize("name", ["wait", "drain"])
@pytest.mark.parametrize("seconds", ["-1", "x", "1e3", "99999", "nan", ""])
async def test_bad_seconds_are_400(port, name, seconds):
    port.rig.up("127.0.0.1:3000")
    async with port.client() as client:
        reply = await client.post(f"/unregister?port=3000&{name}={seconds}")
    assert reply.status_code == 400
    assert name in reply.json()["message"]


async def test_unregistering_whom_nobody_knows_is_404(port):
    async with port.client() as client:
        reply = await client.post("/unregister?port=3000")
    assert reply.status_code == 404
    assert "127.0.0.1:3000" in reply.json()["message"]


async def test_servers_are_listed_with_state_reason_and_counts(port):
    port.rig.up("127.0.0.1:3000")
    async with port.client() as client:
        (record,) = (await client.get("/servers")).json()
        one = (await client.get("/servers/s1")).json()
    assert record == one
    assert record.keys() > port.rig.membership.record(port.rig.membership.registry.get("s1")).keys()
    assert (record["state"], record["reason"]) == ("up", "its first probe passed")
    assert (record["requests"], record["failures"], record["in_flight"]) == (3, 1, 0)
    assert record["latency"] == {"p50": 0.05, "p90": 0.09, "p99": 0.099}


async def test_a_server_that_left_is_listed_with_the_reason(port):
    server = port.rig.up("127.0.0.1:3000")
    port.rig.membership.remove(port.rig.membership.registry.get(server))
    async with port.client() as client:
        (record,) = (await client.get("/servers")).json()
    assert (record["state"], record["reason"]) == ("gone", "the operator removed it")


async def test_the_operator_drains_and_lets_in_again(port):
    server = port.rig.up("127.0.0.1:3000")
    async with port.client() as client:
        assert (await client.post(f"/servers/{server}/drain")).json()["state"] == "draining"
        assert (await client.get("/register?port=3000")).json()["state"] == "draining"
        assert port.rig.traffic.picked() == []
        assert (await client.post(f"/servers/{server}/undrain")).json()["state"] == "joining"


async def test_a_server_that_leaves_by_itself_cannot_be_let_in(port):
    server = port.rig.up("127.0.0.1:3000")
    async with port.client() as client:
        await client.get("/unregister?port=3000")
        reply = await client.post(f"/servers/{server}/undrain")
    assert reply.status_code == 409


async def test_delete_forgets_a_server(port):
    server = port.rig.up("127.0.0.1:3000")
    async with port.client() as client:
        assert (await client.delete(f"/servers/{server}")).json()["state"] == "gone"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/servers/x"), ("DELETE", "/servers/x"), ("POST", "/servers/x/drain")]
)
async def test_an_unknown_server_is_404(port, method, path):
    async with port.client() as client:
        reply = await client.request(method, path)
    assert (reply.status_code, reply.json()["error"]) == (404, "not_found")


async def test_services_tell_who_handles_each(make_rig):
    port = Port(make_rig("/shop=shop"))
    port.rig.up("127.0.0.1:3000", services=("shop",))
    port.rig.up("127.0.0.1:3001")
    async with port.client() as client:
        services = {s["name"]: s for s in (await client.get("/services")).json()}
    assert [s["id"] for s in services["shop"]["servers"]] == ["s1", "s2"]
    assert [s["id"] for s in services["default"]["servers"]] == ["s2"]
    assert services["shop"]["routes"] == ["/shop"]


async def test_metrics_are_prometheus_text(port):
    port.rig.up("127.0.0.1:3000")
    async with port.client() as client:
        reply = await client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    found = {s.name: s for family in text_string_to_metric_families(reply.text) for s in family.samples}
    assert found["headrace_balancer_connections_accepted_total"].value == 7
    server = found["headrace_balancer_server_requests_total"]
    assert (server.labels, server.value) == ({"server": "s1", "address": "127.0.0.1:3000"}, 3)
    assert found["headrace_balancer_request_duration_seconds_count"].value == 3
    samples = [s for f in text_string_to_metric_families(reply.text) for s in f.samples]
    assert {s.labels["state"]: s.value for s in samples if s.name == "headrace_balancer_servers"}["up"] == 1


async def test_metrics_come_as_openmetrics_where_asked_for(port):
    async with port.client() as client:
        reply = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert reply.headers["content-type"].startswith("application/openmetrics-text")


async def test_health_needs_no_token_and_readiness_a_server(port):
    async with port.client(headers={}) as client:
        assert (await client.get("/healthz")).status_code == 200
        reply = await client.get("/readyz")
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
        port.rig.up("127.0.0.1:3000")
        assert (await client.get("/readyz")).status_code == 200
        port.ready = False
        assert (await client.get("/readyz")).status_code == 503


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/register?port=1", {"GET", "HEAD", "POST"}), ("GET", "/servers/s1/drain", {"POST"})],
)
async def test_a_wrong_method_is_405_with_what_is_allowed(port, method, path, allowed):
    async with port.client() as client:
        reply = await client.request(method, path)
    assert reply.status_code == 405
    assert set(reply.headers["allow"].split(", ")) == allowed
    assert reply.json()["error"] == "method_not_allowed"


async def test_an_unknown_path_is_404_as_json(port):
    async with port.client() as client:
        reply = await client.get("/nowhere")
    assert (reply.status_code, reply.json()["error"]) == (404, "not_found")


CLOSED = ["/register?port=1", "/unregister?port=1", "/servers", "/services", "/events", "/metrics", "/nowhere"]


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, "token_missing"),
        ({"Authorization": "Bearer wrong"}, "wrong_token"),
        ({"Authorization": f"Basic {TOKEN}"}, "wrong_token"),
        ({"Authorization": "Bearer "}, "wrong_token"),
        ({"Authorization": "Bearer \xfc".encode("latin-1")}, "wrong_token"),
    ],
)
async def test_without_the_right_token_nothing_is_told_or_done(port, path, headers, error):
    async with port.client(headers=headers) as client:
        reply = await client.get(path)
    assert (reply.status_code, reply.json()["error"]) == (401, error)
    assert reply.headers["www-authenticate"] == "Bearer"
    assert port.rig.membership.registry.members() == []


async def test_open_asks_no_token_of_loopback_only(port):
    async with port.client(headers={}, is_open=True) as client:
        assert (await client.get("/register?port=3000")).status_code == 200
    async with port.client(headers={}, is_open=True, client=("10.0.0.9", 1)) as client:
        assert (await client.get("/register?port=3000")).status_code == 401


async def test_another_address_needs_the_token_even_when_open(port):
    async with port.client(headers={}, is_open=True) as client:
        assert (await client.get("/register?port=3000&address=10.0.0.1")).status_code == 403
    async with port.client(is_open=True) as client:
        assert (await client.get("/register?address=unix:/run/app.sock")).json()["address"] == "unix:/run/app.sock"


@pytest.mark.parametrize("host", ["localhost:2001", "127.0.0.1:2001", "[::1]:2001", "MILL:2001", "mill.example.org."])
async def test_our_own_names_are_answered(port, host):
    async with port.client() as client:
        assert (await client.get("/servers", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", ["evil.example.org", "localhost.evil.org:2001", "", "[::1", "127.0.0.1.evil.org"])
async def test_a_name_that_is_not_ours_is_refused(port, host):
    async with port.client(is_open=True) as client:
        reply = await client.get("/healthz", headers={"Host": host})
    assert (reply.status_code, reply.json()["error"]) == (403, "forbidden_host")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example.org"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:2000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_browser_of_another_origin_is_refused(port, headers):
    async with port.client(is_open=True) as client:
        reply = await client.get("/register?port=3000", headers=headers)
    assert (reply.status_code, reply.json()["error"]) == (403, "cross_origin")
    assert port.rig.membership.registry.members() == []


async def test_a_browser_of_our_own_origin_is_answered(port):
    async with port.client() as client:
        own = {"Origin": "https://127.0.0.1:2001", "Sec-Fetch-Site": "same-origin"}
        assert (await client.get("/servers", headers=own)).status_code == 200
        assert (await client.get("/servers", headers={"Sec-Fetch-Site": "none"})).status_code == 200


@pytest.mark.parametrize(
    ("query", "purged"),
    [
        ("tag=posts", {"tag": "posts", "soft": False}),
        ("key=https://a.example/b&soft=1", {"key": "https://a.example/b", "soft": True}),
        ("prefix=http://a.example/", {"prefix": "http://a.example/", "soft": False}),
    ],
)
async def test_purging_tells_how_much_was_purged(port, query, purged):
    async with port.client() as client:
        reply = await client.post(f"/cache/purge?{query}")
    assert (reply.status_code, reply.json(), port.purged) == (200, {"purged": 7}, [purged])


@pytest.mark.parametrize("query", ["", "tag=a&key=https://b/", "key=/posts", "prefix=a", "tag=a&soft=yes"])
async def test_what_names_nothing_is_not_purged(port, query):
    async with port.client() as client:
        reply = await client.post(f"/cache/purge?{query}")
    assert (reply.status_code, port.purged) == (400, [])


async def test_purging_needs_the_token(port):
    async with port.client(headers={}) as client:
        assert (await client.post("/cache/purge?tag=posts")).status_code == 401
