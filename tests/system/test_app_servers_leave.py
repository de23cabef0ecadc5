"""App servers die, stop, hang and come back under load; what clients see of it is nothing."""

import asyncio
import contextlib
import os
import signal
import time

import pytest
import websockets

from tests.processes import START, Process, free_port, until

from .load import Load
from .stack import Stack

BOTH = ("GET", "POST")


def server_of(stack: Stack, process: Process) -> str:
    """The balancer's id of a one-worker `headrace serve`."""
    port = process.popen.args[process.popen.args.index("--port") + 1]
    return next(server["id"] for server in stack.up() if server["address"].endswith(f":{port}"))


def pids(stack: Stack) -> set[int]:
    """The workers that answer."""
    with stack.client() as client:
        return {client.get("/").json()["pid"] for _ in range(6)}


async def test_a_killed_app_server_costs_no_get_and_servers_tell_why_it_left(stack: Stack):
    stack.balance(lease="3s")
    victim = stack.serve("plain:app")
    stack.serve("plain:app")
    left = server_of(stack, victim)

    async with Load(stack.port, stack.trust, rate=150) as load:
        await load.reaches(150)
        victim.kill()
        await asyncio.to_thread(until, lambda: left not in {server["id"] for server in stack.up()}, 15, "leaving")
        assert next(server["reason"] for server in stack.servers() if server["id"] == left)
        await load.reaches(len(load.outcomes) + 150)
    assert not load.problems()


async def test_each_app_server_restarted_in_turn_costs_no_request(stack: Stack):
    stack.balance()
    running = {port: stack.serve("plain:app", port=port) for port in [free_port() for _ in range(3)]}
    async with Load(stack.port, stack.trust, rate=120, methods=BOTH) as load:
        for port, process in running.items():
            await load.reaches(len(load.outcomes) + 60)
            assert await asyncio.to_thread(process.stop) == 0, process.output()
            await asyncio.to_thread(stack.serve, "plain:app", port=port)
        await load.reaches(len(load.outcomes) + 60)
    assert not load.problems()


async def test_a_request_in_flight_at_sigterm_ends_well(stack: Stack):
    stack.balance()
    process = stack.serve("plain:app")
    with stack.client() as client:
        slow = asyncio.create_task(asyncio.to_thread(client.post, "/echo?seconds=2", content=b"kept"))
        await asyncio.to_thread(until, lambda: stack.up()[0]["in_flight"] == 1, 5, "request in flight")
        assert await asyncio.to_thread(process.stop) == 0
        answer = await slow
    assert (answer.status_code, answer.content) == (200, b"kept")


async def test_a_crashed_worker_is_replaced_and_joins_again(stack: Stack):
    stack.balance(lease="3s")
    process = stack.serve("plain:app", workers=2)
    before = pids(stack)
    async with Load(stack.port, stack.trust, rate=100) as load:
        await load.reaches(50)
        os.kill(min(before), signal.SIGKILL)
        await asyncio.to_thread(until, lambda: len(pids(stack) - before) == 1, 20, "worker in its place")
    assert not load.problems()
    assert process.popen.poll() is None


async def test_the_only_app_server_restarts_and_requests_wait_for_it(stack: Stack):
    stack.balance()
    port = free_port()
    process = stack.serve("plain:app", port=port)
    async with Load(stack.port, stack.trust, rate=60, methods=BOTH) as load:
        await load.reaches(60)
        stopped = time.monotonic()
        assert await asyncio.to_thread(process.stop) == 0
        await asyncio.to_thread(stack.serve, "plain:app", port=port, join=False)
        restart = time.monotonic() - stopped
        await load.reaches(len(load.outcomes) + 120)
    assert not load.problems()
    waiting = [outcome for outcome in load.outcomes if stopped - 1 < outcome.started < stopped + restart]
    usual = max(outcome.seconds for outcome in load.outcomes if outcome not in waiting)  # this machine at its worst
    assert max(outcome.seconds for outcome in waiting) <= restart + 0.1 + usual


async def test_a_hanging_app_server_holds_only_what_it_already_had(stack: Stack):
    stack.balance()
    stack.serve("plain:app", workers=2)
    hanging = stack.serve("plain:app")
    async with Load(stack.port, stack.trust, rate=100) as load:
        await load.reaches(100)
        for pid in hanging.family():
            os.kill(pid, signal.SIGSTOP)
        stopped = time.monotonic()
        await asyncio.sleep(10)  # the length of the hang is what is promised, so it is what is waited
        for pid in hanging.family():
            os.kill(pid, signal.SIGCONT)
        await load.reaches(len(load.outcomes) + 100)
    assert not load.problems()
    held = [outcome for outcome in load.waits_over(4.0) if outcome.started > stopped - 1]
    assert len(held) <= 10, f"{len(held)} of {len(load.outcomes)} requests waited"


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_without_app_servers_the_answer_is_503_and_says_so(stack: Stack, accept: str):
    stack.balance()
    with stack.client() as client:
        answer = client.get("/", headers={"Accept": accept})
    assert answer.status_code == 503
    assert "No app servers found" in answer.text
    assert int(answer.headers["Retry-After"]) > 0


async def closed_at(socket: websockets.ClientConnection) -> float:
    """When the socket is closed from the other side."""
    await socket.wait_closed()
    return time.monotonic()


async def test_open_websockets_end_one_after_the_other_when_their_server_leaves(stack: Stack):
    stack.balance()
    process = stack.serve("plain:app", "--drain", "10s")
    address = stack.url.replace("https", "wss")
    async with contextlib.AsyncExitStack() as opened:
        sockets = [
            await opened.enter_async_context(websockets.connect(address, ssl=stack.trust, proxy=None))
            for _ in range(60)
        ]
        watching = [asyncio.create_task(closed_at(socket)) for socket in sockets]
        asked = time.monotonic()
        assert await asyncio.to_thread(process.stop) == 0, process.output()
        assert time.monotonic() - asked < 15
        ends = sorted(await asyncio.gather(*watching))
    # Spread over most of the 8 s that the balancer has of the 10: no sixth of them ends within a moment.
    assert all(later - earlier > 0.25 for earlier, later in zip(ends[::10], ends[10::10], strict=False))


async def test_open_websockets_stay_when_a_server_joins(stack: Stack):
    stack.balance()
    stack.serve("plain:app")
    address = stack.url.replace("https", "wss")
    async with contextlib.AsyncExitStack() as sockets:
        talking = [
            await sockets.enter_async_context(
                websockets.connect(address, ssl=stack.trust, proxy=None, open_timeout=START)
            )
            for _ in range(200)
        ]
        await asyncio.to_thread(stack.serve, "plain:app")
        for number, socket in enumerate(talking):
            await socket.send(str(number))
            assert await socket.recv() == str(number)
