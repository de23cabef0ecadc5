"""Thousands of clients that crawl: they are cut by the rules, memory stays flat, everybody else is served."""

import asyncio
import contextlib
import socket
import time

import pytest

from .crawling import DRIP, FIRST, RULES, connect, crawl, dawdle
from .load import Load
from .stack import Stack

CONNECTIONS = 3000
BUFFERS = 128 * 1024  # bytes that a connection may hold: what was read of one side and the other hasn't taken yet


async def begin(port: int, first: bytes, sockets: contextlib.ExitStack) -> list[socket.socket]:
    """That many connections, each with the beginning of its request sent."""
    begun = []
    for _ in range(CONNECTIONS):
        begun.append(sockets.enter_context(await connect(port)))
        await asyncio.get_running_loop().sock_sendall(begun[-1], first)
    return begun


@pytest.mark.slow
@pytest.mark.parametrize("kind", FIRST)
async def test_slow_clients_are_cut_and_nobody_else_notices(stack: Stack, kind: str):
    balancer = stack.balance("--plain", **RULES)
    stack.serve("plain:app", "--plain", workers=2)
    before = balancer.memory()
    with contextlib.ExitStack() as sockets:
        async with Load(stack.port, rate=30) as load:
            slow = await begin(stack.port, FIRST[kind], sockets)
            end = time.monotonic() + 30
            crawling = [dawdle(one, end) if kind == "readers" else crawl(one, DRIP[kind], end) for one in slow]
            cut = asyncio.gather(*crawling)
            await load.reaches(len(load.outcomes) + 60)
            grown = balancer.memory() - before
            assert (await cut).count(False) == 0
            await load.reaches(len(load.outcomes) + 60)
    assert not load.problems()
    # Nobody waits for slow ones; but thousands of downloads that begin at once keep app servers and kernel busy.
    assert kind == "readers" or load.median() < 2.0
    assert grown < CONNECTIONS * BUFFERS, f"{grown / CONNECTIONS:.0f} bytes a connection"
