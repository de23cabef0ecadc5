"""The admin port's socket: TLS, client certificates, streams to clients that vanish."""

import asyncio
import contextlib
import shutil
import socket
import ssl
from contextlib import asynccontextmanager

import httpx
import pytest

from headrace.balancer.admin import Admin
from headrace.balancer.metrics import BalancerCollector
from headrace.balancer.purging import Purging
from headrace.balancer.signing import Signing
from headrace.certs.authority import Authority
from headrace.certs.remote import RemoteAuthority
from headrace.errors import OperationError, UsageError
from headrace.service import adminport
from headrace.service.access import Access
from headrace.service.adminport import STOP_WITHIN, AdminPort

from .conftest import eventually, unasked

GOOD = {"Authorization": "Bearer token"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="module")
def pair(authority):
    leaf = authority.leaf(["localhost", "127.0.0.1"], "balancer")
    return leaf.certificate, leaf.key


@pytest.fixture
async def port(rig, authority, pair):
    collector = BalancerCollector(dict, rig.traffic.stats, rig.membership.registry.members, lambda: None)
    access, purging = Access("token", []), Purging(lambda **_: 0)
    admin = Admin(rig.membership, rig.hub, collector, access, Signing([], unasked), purging, ready=lambda: True)
    port = AdminPort(admin.app(), "127.0.0.1:0", pair, authority.ca)
    running = asyncio.create_task(port.run())
    await port.started()
    yield port
    rig.hub.close()
    port.stop()
    await running


def context(authority: Authority, client=None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(authority.ca))
    if client:
        made.load_cert_chain(client.certificate, client.key)
    return made


def client(port, verify, headers=GOOD):
    return httpx.AsyncClient(base_url=f"https://{port.address}", verify=verify, headers=headers)


@asynccontextmanager
async def raw(port, authority):
    host, number = port.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(number), ssl=context(authority))
    try:
        yield reader, writer
    finally:
        writer.close()
        writer.transport.abort()


async def test_it_serves_over_tls_that_the_authority_verifies(port, authority):
    async with client(port, context(authority)) as asking:
        assert (await asking.get("/servers")).json() == []


async def test_a_client_certificate_of_the_authority_stands_in_for_the_token(port, authority):
    async with client(port, context(authority, authority.client("operator")), headers={}) as asking:
        assert (await asking.get("/servers")).status_code == 200
    async with client(port, context(authority), headers={}) as asking:
        assert (await asking.get("/servers")).status_code == 401


async def test_a_client_certificate_of_a_stranger_ends_the_handshake(port, authority, tmp_path):
    strange = Authority(tmp_path / "strange").client("operator")
    async with client(port, context(authority, strange), headers={}) as asking:
        with pytest.raises(httpx.TransportError):
            await asking.get("/servers")


async def test_the_certificate_of_an_app_server_elsewhere_opens_nothing(port, authority, tmp_path):
    there = RemoteAuthority(tmp_path, authority.ca, lambda asked: authority.sign(asked, ["10.0.0.7"], "app server"))
    async with client(port, context(authority, there.leaf("app")), headers={}) as asking:
        with pytest.raises(httpx.TransportError):
            await asking.get("/servers")


async def test_plain_http_and_old_tls_are_not_spoken(port, authority):
    async with httpx.AsyncClient() as asking:
        with pytest.raises(httpx.TransportError):
            await asking.get(f"http://{port.address}/servers")


async def test_reload_shows_the_new_certificate(rig, authority, tmp_path):
    def issue(label):
        leaf = authority.leaf(["127.0.0.1"], label)
        shutil.copy(leaf.certificate, tmp_path / "cert.pem")
        shutil.copy(leaf.key, tmp_path / "key.pem")

    async def shown():
        async with raw(port, authority) as (_, writer):
            return writer.get_extra_info("peercert")["serialNumber"]

    issue("first")
    port = AdminPort(lambda *_: None, "127.0.0.1:0", (tmp_path / "cert.pem", tmp_path / "key.pem"), authority.ca)
    running = asyncio.create_task(port.run())
    await port.started()
    first = await shown()
    issue("second")
    port.reload()
    assert await shown() != first
    port.stop()
    await running


@pytest.mark.parametrize(
    "sent", [b"", b"GET /servers HTTP/1.1\r\nHost:", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET"]
)
async def test_a_client_that_does_not_finish_a_head_is_cut(rig, authority, port, monkeypatch, sent):
    monkeypatch.setattr(adminport, "HEAD_WITHIN", 0.2)
    async with raw(port, authority) as (reader, writer):
        writer.write(sent)
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 10)


async def test_an_idle_client_does_not_delay_the_end(rig, authority, pair):
    port = AdminPort(lambda *_: None, "127.0.0.1:0", pair, authority.ca)
    running = asyncio.create_task(port.run())
    await port.started()
    async with raw(port, authority):
        port.stop()
        await asyncio.wait_for(running, STOP_WITHIN - 0.5)


def test_a_taken_address_is_one_line_that_says_what_to_do(authority, pair):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OperationError, match=f"{address}: Address already in use; choose another with --admin"):
            AdminPort(lambda *_: None, address, pair, authority.ca)


@pytest.mark.parametrize("address", ["", "2001", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999"])
def test_an_address_that_makes_no_sense_is_refused(address, authority, pair):
    with pytest.raises(UsageError, match="host:port"):
        AdminPort(lambda *_: None, address, pair, authority.ca)


async def test_changes_stream_to_whoever_listens(port, rig, authority):
    async with client(port, context(authority)) as asking, asking.stream("GET", "/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.aiter_lines()
        assert await anext(lines) == ": headrace"
        rig.up("127.0.0.1:3000")
        text = [await anext(lines) for _ in range(3)]
        assert text[1] == "event: server"
        assert '"state": "joining"' in text[2]


async def test_a_listener_that_vanishes_leaves_nothing_behind(port, rig, authority):
    async with raw(port, authority) as (reader, writer):
        writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token\r\n\r\n")
        await reader.readuntil(b"headrace")
        assert len(rig.hub._listeners) == 1
    await eventually(lambda: not rig.hub._listeners)


async def test_a_listener_that_never_reads_keeps_nobody_waiting(port, rig, authority):
    async with raw(port, authority) as (_, writer):
        writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token\r\n\r\n")
        await eventually(lambda: rig.hub._listeners)
        writer.transport.pause_reading()
        for number in range(3000):
            rig.hub.tell("server", {"id": "x" * 10_000, "number": number})
            if number % 100 == 0:
                await asyncio.sleep(0)
        await eventually(lambda: not rig.hub._listeners)
        async with client(port, context(authority)) as asking:
            assert (await asking.get("/servers")).status_code == 200
