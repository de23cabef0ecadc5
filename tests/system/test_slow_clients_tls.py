"""Clients that crawl over TLS, in every way at once: they are cut by the rules, everybody else is served."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable
from functools import partial

import pytest
from hpack import Encoder

from tests.core.frames import CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, GOAWAY, HEADERS, POST, RST_STREAM, frame
from tests.core.frames import SETTINGS as HTTP2_SETTINGS
from tests.core.http2 import PREFACE, head

from .crawling import DRIP, FIRST, LARGE, RULES, connect, crawl, dawdle
from .load import Load
from .stack import Stack

EACH = 50  # connections of each kind
BUFFERS = 256 * 1024  # bytes that a connection may hold: as over TCP, once as it is and once encrypted
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"  # the beginning of a ClientHello of 508 bytes

BEGUN = PREFACE + frame(HTTP2_SETTINGS, 0)
LARGE_GET = Encoder().encode(head("GET", f"/download?size={LARGE}"))
ONE_FIELD = b"\x00\x04name\x05value"
# What is said first and then each second, and the frames that tell who said it that it is cut.
HTTP2 = {
    "heads": (frame(HEADERS, 1, GET), frame(CONTINUATION, 1, ONE_FIELD), {GOAWAY, RST_STREAM}),
    "bodies": (frame(HEADERS, 1, POST, flags=END_HEADERS), frame(DATA, 1, b"a few bytes"), {HEADERS, RST_STREAM}),
    "readers": (frame(HEADERS, 1, LARGE_GET, flags=END_HEADERS | END_STREAM), b"", {GOAWAY, RST_STREAM}),
}


class Crawler:
    """A client over TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def says(self, drip: bytes, told: Awaitable[None], end: float) -> bool:
        """Sends `drip` each second until it is told off, which is the answer, or until `end`."""
        waiting = asyncio.ensure_future(told)
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < end and not (await asyncio.wait([waiting], timeout=1))[0]:
                self.writer.write(drip)
                await self.writer.drain()
        await asyncio.wait([waiting], timeout=0.1)
        waiting.cancel()
        return waiting.done()

    async def answer(self) -> None:
        """Returns at the first byte, or the end."""
        with contextlib.suppress(OSError):
            await self.reader.read(1)

    async def frame(self, kinds: set[int]) -> None:
        """Returns at a frame of these kinds, or the end."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while (start := await self.reader.readexactly(9))[3] not in kinds:
                await self.reader.readexactly(int.from_bytes(start[:3], "big"))

    def close(self) -> None:
        self.writer.close()
        self.writer.transport.abort()


class Crowd:
    """Makes the clients of one test; each tells in the end whether it was cut before `end`."""

    def __init__(self, stack: Stack, clients: contextlib.ExitStack, end: float) -> None:
        self._stack, self._clients, self._end = stack, clients, end

    async def handshakes(self) -> bool:
        connection = self._clients.enter_context(await connect(self._stack.port))
        await asyncio.get_running_loop().sock_sendall(connection, HELLO)
        return await crawl(connection, b"\x03", self._end)

    async def http1(self, way: str) -> bool:
        client = await self._client("http/1.1")
        client.writer.write(FIRST[way])
        if way == "readers":
            return await dawdle(client.writer.get_extra_info("socket"), self._end)
        return await client.says(DRIP[way], client.answer(), self._end)

    async def http2(self, way: str) -> bool:
        first, drip, kinds = HTTP2[way]
        client = await self._client("h2")
        client.writer.write(BEGUN + first)
        return await client.says(drip, client.frame(kinds), self._end)

    async def _client(self, protocol: str) -> Crawler:
        trust = self._stack.trust
        trust.set_alpn_protocols([protocol])
        connection = await connect(self._stack.port)
        streams = await asyncio.open_connection(sock=connection, ssl=trust, server_hostname="localhost", limit=4096)
        client = Crawler(*streams)
        self._clients.callback(client.close)
        return client


@pytest.mark.slow
async def test_slow_clients_over_tls_are_cut_and_nobody_else_notices(stack: Stack):
    balancer = stack.balance(**RULES)
    stack.serve("plain:app", "--plain", workers=2)
    before = balancer.memory()
    with contextlib.ExitStack() as clients:
        crowd = Crowd(stack, clients, time.monotonic() + 60)
        ways = {"handshakes": crowd.handshakes}
        for way in FIRST:
            ways |= {f"http/1.1 {way}": partial(crowd.http1, way), f"h2 {way}": partial(crowd.http2, way)}
        async with Load(stack.port, tls=stack.trust, rate=30) as load:
            slow = {name: asyncio.gather(*(crawling() for _ in range(EACH))) for name, crawling in ways.items()}
            await load.reaches(60)
            grown = balancer.memory() - before
            cut = {name: (await outcomes).count(True) for name, outcomes in slow.items()}
            await load.reaches(len(load.outcomes) + 60)
    assert cut == dict.fromkeys(ways, EACH)
    assert not load.problems()
    assert load.median() < 2.0
    assert grown < EACH * len(ways) * BUFFERS, f"{grown / EACH / len(ways):.0f} bytes a connection"
