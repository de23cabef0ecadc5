"""Open-loop load: a request each `1 / rate` seconds, whether earlier ones were answered or not.

A closed loop (the next request after the last answer) hides a stall: it just sends less. Here each request has
its own start, and its wait counts from there.
"""

import asyncio
import contextlib
import os
import ssl
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import ClassVar

PATIENCE = 30.0


@dataclass(frozen=True)
class Outcome:
    """How one request went; `problem` is empty when it went well."""

    method: str
    started: float
    seconds: float
    problem: str


class Connection:
    """One HTTP/1.1 connection, a request at a time; `reusable` once one was answered whole."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.reusable = False

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        self.reusable = False
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self._writer.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n".encode() + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        answer = await self._reader.readexactly(int(fields["content-length"]))
        self.reusable = fields.get("connection") != "close"
        return int(head.split(" ", 2)[1]), answer

    async def close(self) -> None:
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


@dataclass
class Load:
    """Sends from `async with` to its end, then waits for what is still out.

    `methods` take turns; a POST must be answered with its own body.
    """

    port: int
    tls: ssl.SSLContext | None = None
    rate: float = 100.0
    methods: tuple[str, ...] = ("GET",)
    outcomes: list[Outcome] = field(default_factory=list)

    PATHS: ClassVar = {"GET": "/", "POST": "/echo"}

    def __post_init__(self) -> None:
        self._idle: list[Connection] = []
        self._out: set[asyncio.Task[None]] = set()
        self._pace: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Load":  # noqa: PYI034 - Self is not in Python 3.10
        self._pace = asyncio.create_task(self._send())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._pace is not None
        self._pace.cancel()
        await asyncio.gather(*self._out)
        for connection in self._idle:
            await connection.close()

    def problems(self) -> Counter[str]:
        """How often what went wrong."""
        return Counter(outcome.problem for outcome in self.outcomes if outcome.problem)

    def median(self) -> float:
        """What half of the requests waited at most, in seconds."""
        return statistics.median(outcome.seconds for outcome in self.outcomes)

    def waits_over(self, seconds: float) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.seconds > seconds]

    async def reaches(self, count: int) -> None:
        """Returns when `count` requests were answered."""
        while len(self.outcomes) < count:  # noqa: ASYNC110 - an event for each count would say no more
            await asyncio.sleep(0.02)

    async def _send(self) -> None:
        start, number = time.monotonic(), 0
        while True:
            task = asyncio.create_task(self._one(self.methods[number % len(self.methods)]))
            self._out.add(task)
            task.add_done_callback(self._out.discard)
            number += 1
            await asyncio.sleep(start + number / self.rate - time.monotonic())

    async def _one(self, method: str) -> None:
        started = time.monotonic()
        try:
            problem = await asyncio.wait_for(self._ask(method), PATIENCE)
        except (OSError, EOFError, asyncio.TimeoutError) as error:
            problem = type(error).__name__
        self.outcomes.append(Outcome(method, started, time.monotonic() - started, problem))

    async def _ask(self, method: str) -> str:
        connection = self._idle.pop() if self._idle else await self._connect()
        body = os.urandom(512) if method == "POST" else b""
        try:
            status, answer = await connection.ask(method, self.PATHS[method], body)
        finally:
            if connection.reusable:
                self._idle.append(connection)
            else:
                await connection.close()
        if status != 200:
            return f"{status} {answer[:80].decode(errors='replace')}"
        return "another's answer" if method == "POST" and answer != body else ""

    async def _connect(self) -> Connection:
        name = "localhost" if self.tls else None
        return Connection(*await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls, server_hostname=name))
