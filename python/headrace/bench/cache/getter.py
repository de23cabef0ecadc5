"""A program that gets a value of 1 KB from a cache, again and again, and measures what a call costs it. For the bench.

`getter.py KIND URL TOKEN SECONDS` prints microseconds of a call, on the clock and of processor time.
"""

import asyncio
import importlib
import json
import pkgutil
import socket
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

KEY = "post:3"
BURST = 500
TASKS = 50  # calls of an event loop at once


def headrace(url: str, token: str) -> Any:  # noqa: ANN401 - of the cache, by its name, as programs have it
    """Ours; values as bytes, as redis-py has them."""
    found = pkgutil.resolve_name("headrace:Cache")
    return found(url, token=token, serializer="bytes", timeout=10)


def floor(url: str, token: str) -> Callable[[str], bytes]:
    """Sends a request and reads once, understanding nothing: what the kernel and two calls of Python take."""
    place = urlsplit(url)
    connection = socket.create_connection((place.hostname, place.port or 80))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = f"GET /?key={KEY} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()

    def get(_: str) -> bytes:
        connection.send(request)
        return connection.recv(4096)[-1024:]

    return get


def redis(url: str, _: str) -> Any:  # noqa: ANN401
    """redis-py's, for threads."""
    return importlib.import_module("redis").Redis.from_url(url)


def redis_async(url: str, _: str) -> Any:  # noqa: ANN401
    """redis-py's, for event loops."""
    return importlib.import_module("redis.asyncio").Redis.from_url(url, max_connections=TASKS)


def in_thread(get: Callable[[str], bytes], seconds: float) -> dict[str, float]:
    """One call after the other."""
    assert len(get(KEY)) == 1024
    calls, deadline = 0, time.monotonic() + seconds
    wall, cpu = time.perf_counter(), time.process_time()
    while time.monotonic() < deadline:
        for _ in range(BURST):
            get(KEY)
        calls += BURST
    return told(calls, wall, cpu)


async def in_loop(get: Callable[[str], Any], seconds: float) -> dict[str, float]:
    """Tasks, each of which makes one call after the other."""

    async def burst() -> None:
        for _ in range(BURST // TASKS):
            await get(KEY)

    assert len(await get(KEY)) == 1024
    calls, deadline = 0, time.monotonic() + seconds
    wall, cpu = time.perf_counter(), time.process_time()
    while time.monotonic() < deadline:
        await asyncio.gather(*(burst() for _ in range(TASKS)))
        calls += BURST
    return told(calls, wall, cpu)


def told(calls: int, wall: float, cpu: float) -> dict[str, float]:
    """Microseconds a call since these readings."""
    return {
        "wall": (time.perf_counter() - wall) / calls * 1e6,
        "cpu": (time.process_time() - cpu) / calls * 1e6,
    }


def measure(kind: str, url: str, token: str, seconds: float) -> dict[str, float]:
    """What a call of this kind of client costs."""
    if kind == "headrace":
        return in_thread(headrace(url, token).get, seconds)
    if kind == "floor":
        return in_thread(floor(url, token), seconds)
    if kind == "redis":
        return in_thread(redis(url, token).get, seconds)
    get = headrace(url, token).aget if kind == "headrace-async" else redis_async(url, token).get
    return asyncio.run(in_loop(get, seconds))


if __name__ == "__main__":
    kind, url, token, seconds = sys.argv[1:]
    print(json.dumps(measure(kind, url, token, float(seconds))), flush=True)
