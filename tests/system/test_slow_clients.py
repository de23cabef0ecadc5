"""Thousands of clients that crawl: they are cut by the rules, memory stays flat, everybody else is served."""

import asyncio
import contextlib
import socket
import time

import pytest

from .load import Load
from .stack import Stack

CONNECTIONS = 3000
LARGE = 50_000_000

# A rule's time is made short, so that the test is; the rules themselves are the default ones.
RULES = dict.fromkeys(("header_timeout", "body_idle_timeout", "body_grace", "write_idle_timeout"), "4s")

FIRST = {
    "heads": b"GET / HTTP/1.1\r\nHost: a\r\n",
    "bodies": b"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
    "readers": b"GET /download?size=%d HTTP/1.1\r\nHost: a\r\n\r\n" % LARGE,
}
DRIP = {"heads": b"Name: value\r\n", "bodies": b"a few bytes", "readers": b""}


async def connect(port: int) -> socket.socket:
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    return connection


async def crawl(connection: socket.socket, drip: bytes, end: float) -> bool:
    """Sends `drip` each second until `end` or an answer; whether the balancer ended the connection."""
    loop = asyncio.get_running_loop()
    answer = asyncio.create_task(loop.sock_recv(connection, 4096))
    with contextlib.suppress(ConnectionError):  # of a drip: its reason is in the answer too
        while time.monotonic() < end and not (await asyncio.wait([answer], timeout=1))[0]:
            await loop.sock_sendall(connection, drip)
    await asyncio.wait([answer], timeout=0.1)
    ended = answer.done()
    answer.cancel()
    await asyncio.gather(answer, return_exceptions=True)
    return ended


async def dawdle(connection: socket.socket, end: float) -> bool:
    """Reads nothing until `end`; whether the response then turns out to be cut."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(end - time.monotonic())
    received = 0
    with contextlib.suppress(ConnectionError):
        while part := await asyncio.wait_for(loop.sock_recv(connection, 1 << 20), 10):
            received += len(part)
    return received < LARGE


@pytest.mark.slow
@pytest.mark.parametrize("kind", FIRST)
async def test_slow_clients_are_cut_and_nobody_else_notices(stack: Stack, kind: str):
    balancer = stack.balance("--plain", **RULES)
    stack.serve("plain:app", "--plain", workers=2)
    before = balancer.memory()
    async with Load(stack.port, rate=30) as load:
        slow = []
        for _ in range(CONNECTIONS):
            slow.append(await connect(stack.port))
            await asyncio.get_running_loop().sock_sendall(slow[-1], FIRST[kind])
        end = time.monotonic() + (8 if kind == "readers" else 20)
        ends = [dawdle(one, end) if kind == "readers" else crawl(one, DRIP[kind], end) for one in slow]
        crawling = asyncio.gather(*ends)
        await load.reaches(len(load.outcomes) + 60)
        grown = balancer.memory() - before
        cut = await crawling
    for connection in slow:
        connection.close()
    assert not load.problems()
    assert not load.waits_over(3.0)
    assert cut.count(False) == 0
    assert grown < CONNECTIONS * 64 * 1024, f"{grown / CONNECTIONS:.0f} bytes a connection"
