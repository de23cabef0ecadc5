"""`headrace balance` with app servers that come and go."""

import asyncio
import json
import signal
import ssl
from contextlib import AsyncExitStack

import httpx
import pytest

from headrace.certs.authority import Authority

from .appserver import app_server
from .conftest import eventually
from .process import QUICK, balance

pytest.importorskip("headrace._core", reason="the compiled core is not installed")


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


async def answers(running, number: int) -> list[str]:
    replies = [await running.public.get("/") for _ in range(number)]
    assert {reply.status_code for reply in replies} == {200}
    return [reply.text for reply in replies]


async def test_it_serves_over_http2_with_a_certificate_of_the_authority(state):
    async with balance(state) as running, app_server("one") as one:
        await running.register(one)
        async with httpx.AsyncClient(verify=running.verify, http2=True) as client:
            reply = await client.get(running.url)
        assert (reply.text, reply.http_version) == ("one", "HTTP/2")


async def test_plain_is_plain(state):
    async with balance(state, "--plain") as running, app_server("one") as one:
        assert running.url.startswith("http://")
        await running.register(one)
        assert await answers(running, 1) == ["one"]


async def test_servers_are_picked_in_turn(state):
    async with balance(state) as running, app_server("one") as one, app_server("two") as two:
        for server in (one, two):
            await running.register(server)
        found = await answers(running, 20)
        assert found.count("one") == found.count("two") == 10


async def test_without_servers_it_is_503_at_once(state):
    async with balance(state) as running:
        reply = await running.public.get("/")
        assert reply.status_code == 503
        assert "No app servers found" in reply.text
        assert int(reply.headers["retry-after"]) >= 1
        assert reply.elapsed.total_seconds() < 4.5  # the queue would be 5 s


async def test_a_server_that_is_not_ready_is_not_picked_until_it_is(state):
    async with balance(state) as running, app_server("one") as one:
        one.ping = 503
        record = await running.say("register", one)
        await asyncio.sleep(0.3)
        record = await running.server(record["id"])
        assert record["state"] == "joining"
        assert "503" in record["reason"]
        one.ping = 200
        await running.until(record["id"], "up")


async def test_a_server_whose_probes_fail_is_taken_out_and_comes_back(state):
    async with balance(state) as running, app_server("one") as one, app_server("two") as two:
        server = await running.register(one)
        await running.register(two)
        one.ping = 503
        record = await running.until(server, "down")
        assert "bad probes in a row" in record["reason"]
        assert await answers(running, 6) == ["two"] * 6
        one.ping = 200
        await running.until(server, "up")


async def test_a_server_that_dies_is_told_why_it_left(state):
    environ = {"HEADRACE_BALANCER_LEASE": "1s"}
    async with balance(state, environ=environ) as running, app_server("one") as one:
        server = await running.register(one)
        await one.stop()
        record = await running.until(server, "gone")
        assert "not renewed" in record["reason"]


async def test_a_leaving_server_finishes_what_it_has_and_hears_when_it_is_done(state):
    async with balance(state) as running, app_server("one") as one, app_server("two") as two:
        server = await running.register(one)
        slow = asyncio.create_task(running.public.get("/slow"))
        await eventually(lambda: one.slow)
        await running.register(two)
        assert (await running.say("unregister", one))["in_flight"] == 1
        assert await answers(running, 6) == ["two"] * 6
        acknowledged = asyncio.create_task(running.say("unregister", one, wait=20))
        await asyncio.sleep(0.2)
        assert not acknowledged.done()
        one.release.set()
        record = await acknowledged
        assert (record["id"], record["state"], record["in_flight"]) == (server, "gone", 0)
        assert (await slow).text == "one"


async def test_a_server_without_requests_is_gone_at_once(state):
    async with balance(state) as running, app_server("one") as one:
        await running.register(one)
        await answers(running, 3)
        began = asyncio.get_running_loop().time()
        assert (await running.say("unregister", one, wait=20))["state"] == "gone"
        assert asyncio.get_running_loop().time() - began < 5


async def test_what_a_leaving_server_does_not_finish_in_time_is_cut(state):
    environ = {"HEADRACE_BALANCER_DRAIN": "500ms"}
    async with balance(state, environ=environ) as running, app_server("one") as one:
        await running.register(one)
        slow = asyncio.create_task(running.public.get("/slow"))
        await eventually(lambda: one.slow)
        record = await running.say("unregister", one, wait=20)
        assert record["state"] == "gone"
        assert "cut" in record["reason"]
        with_error = await asyncio.gather(slow, return_exceptions=True)
        assert isinstance(with_error[0], httpx.HTTPError) or with_error[0].status_code >= 500


async def test_a_server_that_comes_back_while_it_drains_is_a_new_one_and_picked(state):
    async with balance(state) as running, app_server("one") as one:
        old = await running.register(one)
        slow = asyncio.create_task(running.public.get("/slow"))
        await eventually(lambda: one.slow)
        await running.say("unregister", one)
        new = await running.register(one)
        assert new != old
        assert await answers(running, 2) == ["one"] * 2
        assert (await running.server(old))["in_flight"] == 1
        one.release.set()
        await slow
        await running.until(old, "gone")


async def test_requests_wait_while_the_only_server_restarts(state):
    async with balance(state) as running, app_server("one") as one:
        await running.register(one)
        await running.say("unregister", one, wait=10)
        waiting = asyncio.create_task(running.public.get("/"))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await running.register(one)
        assert (await waiting).text == "one"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_restarted_balancer_has_its_servers_back_at_once(state, how):
    async with app_server("one") as one:
        async with balance(state) as running:
            server = await running.register(one)
            file = state / "membership.json"
            await eventually(lambda: file.exists() and '"up"' in file.read_text())
            await running.end(how)
        flags = ("--address", running.address, "--admin", running.admin_address)
        async with balance(state, *flags) as again:
            assert await answers(again, 5) == ["one"] * 5
            record = await again.server(server)
            assert record["state"] == "up"
            assert (await again.say("register", one))["id"] == server


async def test_a_saved_server_that_is_no_more_is_out_soon(state):
    async with app_server("one") as one, app_server("two") as two:
        async with balance(state) as running:
            gone = await running.register(one)
            await running.register(two)
            await running.end()
        await one.stop()
        async with balance(state) as again:
            assert await answers(again, 6) == ["two"] * 6
            await again.until(gone, "down")


async def test_servers_of_the_settings_need_not_register(state):
    async with app_server("one") as one, balance(state, "--servers", f"127.0.0.1:{one.port}") as running:
        assert await answers(running, 2) == ["one", "one"]
        (record,) = (await running.admin.get("/servers")).json()
        assert record["lease_age"] is None


async def test_app_servers_are_verified_by_the_authority(state, tmp_path):
    def context(authority):
        leaf = authority.leaf(["localhost", "127.0.0.1"], "app")
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.load_cert_chain(leaf.certificate, leaf.key)
        return made

    own, strange = Authority(state / "certs"), Authority(tmp_path / "strange")
    async with (
        balance(state) as running,
        app_server("one", tls=context(own)) as one,
        app_server("strange", tls=context(strange)) as other,
    ):
        await running.register(one, scheme="https")
        record = await running.say("register", other, scheme="https")
        assert await answers(running, 4) == ["one"] * 4
        record = await running.server(record["id"])
        assert record["state"] == "joining"
        assert "certificate" in record["reason"].lower() or "unknown" in record["reason"].lower()


async def test_an_operator_may_show_a_certificate_of_the_authority(state):
    async with balance(state) as running:
        certificate = Authority(state / "certs").client("operator")
        verify = ssl.create_default_context(cafile=str(state / "certs" / "ca.pem"))
        verify.load_cert_chain(certificate.certificate, certificate.key)
        async with httpx.AsyncClient(base_url=running.admin_url, verify=verify) as client:
            assert (await client.get("/servers")).json() == []


async def test_fifty_servers_join_at_once_and_all_are_picked(state):
    async with balance(state) as running, AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(app_server(f"app-{number}")) for number in range(50)]
        await asyncio.gather(*(running.register(server) for server in servers))
        assert set(await answers(running, 200)) == {server.name for server in servers}


async def test_routes_lead_to_the_services_that_servers_handle(state):
    async with (
        balance(state, "--routes", "/shop=shop") as running,
        app_server("shop") as shop,
        app_server("all") as everything,
    ):
        await running.register(shop, service="shop")
        await running.register(everything)
        assert {(await running.public.get("/shop/cart")).text for _ in range(6)} == {"shop", "all"}
        assert {(await running.public.get("/")).text for _ in range(6)} == {"all"}


async def test_changes_metrics_and_counts_are_told(state):
    async with balance(state) as running, app_server("one") as one:
        async with running.admin.stream("GET", "/events") as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            server = await running.register(one)
            news = [json.loads(await anext(lines)[6:]) for _ in ()]
            while len(news) < 2:
                line = await anext(lines)
                if line.startswith("data: "):
                    news.append(json.loads(line[6:]))
            assert [(n["id"], n["state"]) for n in news] == [(server, "joining"), (server, "up")]
        await answers(running, 7)
        record = await running.server(server)
        assert (record["requests"], record["failures"], record["in_flight"]) == (7, 0, 0)
        assert 0 < record["latency"]["p50"] <= record["latency"]["p99"] < 5
        text = (await running.admin.get("/metrics")).text
        assert 'headrace_balancer_requests_total{protocol="http1"} 7.0' in text
        assert (
            f'headrace_balancer_server_requests_total{{address="127.0.0.1:{one.port}",server="{server}"}} 7.0' in text
        )


async def test_it_is_ready_when_a_server_is_up(state):
    async with balance(state) as running, app_server("one") as one:
        assert (await running.admin.get("/healthz")).status_code == 200
        assert (await running.admin.get("/readyz")).status_code == 503
        await running.register(one)
        assert (await running.admin.get("/readyz")).status_code == 200


async def test_stopping_lets_requests_finish_and_exits_0(state):
    async with balance(state) as running, app_server("one") as one:
        await running.register(one)
        slow = asyncio.create_task(running.public.get("/slow"))
        await eventually(lambda: one.slow)
        ending = asyncio.create_task(running.end())
        await running.told("stopping when")
        assert not ending.done()
        one.release.set()
        assert (await slow).text == "one"
        assert await ending == 0, running.log


async def test_app_servers_may_leave_while_the_balancer_stops(state):
    async with balance(state) as running, app_server("one") as one:
        await running.register(one)
        slow = asyncio.create_task(running.public.get("/slow"))
        await eventually(lambda: one.slow)
        running.process.terminate()
        await running.told("stopping when")
        assert (await running.say("unregister", one))["state"] == "draining"
        assert (await running.admin.get("/readyz")).status_code == 503
        one.release.set()
        await slow
        assert await running.end() == 0


async def test_a_second_signal_stops_at_once(state):
    async with balance(state) as running, app_server("one") as one:
        await running.register(one)
        slow = asyncio.create_task(running.public.get("/slow"))
        await eventually(lambda: one.slow)
        running.process.send_signal(signal.SIGINT)
        await running.told("stopping when")
        await running.end(signal.SIGINT, within=20.0)  # the request would go on for the 30 s of the drain
        await asyncio.gather(slow, return_exceptions=True)


async def test_the_state_folder_holds_its_secrets_for_its_owner_only(state):
    async with balance(state, environ={"HEADRACE_BALANCER_TOKEN": "", **QUICK}):
        assert (state / "token").stat().st_mode & 0o777 == 0o600
        assert state.stat().st_mode & 0o777 == 0o700


async def serial(running) -> str:
    host, port = running.address.split(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=running.verify)
    try:
        return writer.get_extra_info("peercert")["serialNumber"]
    finally:
        writer.close()
        await writer.wait_closed()


async def test_certificates_follow_their_files_without_a_restart(state, tmp_path):
    authority = Authority(state / "certs")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"

    def issue(label: str) -> None:
        leaf = authority.leaf(["127.0.0.1"], label)
        for source, target in ((leaf.key, key), (leaf.certificate, chain)):
            draft = target.with_suffix(".new")
            draft.write_bytes(source.read_bytes())
            draft.replace(target)

    issue("first")
    state.chmod(0o700)
    async with balance(state, "--cert", str(chain), "--key", str(key)) as running:
        first = await serial(running)
        issue("second")
        deadline = asyncio.get_running_loop().time() + 15
        while (second := await serial(running)) == first:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.1)
        chain.write_text("damaged")
        running.process.send_signal(signal.SIGHUP)
        await eventually(lambda: any("not reloaded" in line for line in running.log))
        assert await serial(running) == second
