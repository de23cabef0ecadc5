"""A program that calls a decorated function whose value is in memory, and measures a call. For the bench alone.

Each library as its documentation shows it, with a lifetime and its default serializer. headrace gives each caller a
value of its own, a copy of what was decoded once; the others give all callers the same object.
"""

import asyncio
import json
import pkgutil
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

CALLS: Final = 2000  # between two looks at the clock
VALUE: Final = {"id": 3, "title": "What happens after one process", "tags": ["queues", "caches"], "minutes": 7}
POSTS: Final = 100  # different keys

Show = Callable[[int], Any]
ShowLater = Callable[[int], Awaitable[Any]]


def show(post_id: int) -> dict[str, Any]:
    """What is kept."""
    return {**VALUE, "id": post_id}


async def show_later(post_id: int) -> dict[str, Any]:
    """The same as a coroutine function."""
    return show(post_id)


def headrace(function: Any) -> Any:  # noqa: ANN401 - a function or a coroutine function
    """`headrace.cached`, in memory."""
    cached = pkgutil.resolve_name("headrace:cached")  # by its name: the bench stands beside it
    return cached(ttl="10m", key="post:{post_id}", cache="memory://")(function)


def cachetools(function: Show) -> Show:
    """`cachetools.cached`, with a lock as threads need it."""
    import threading  # noqa: PLC0415 - only what is used

    from cachetools import TTLCache, cached  # noqa: PLC0415 - an extra

    kept: Show = cached(TTLCache(maxsize=10_000, ttl=600), lock=threading.Lock())(function)
    return kept


def dogpile(function: Show) -> Show:
    """`dogpile.cache` with its memory backend."""
    from dogpile.cache import make_region  # noqa: PLC0415 - an extra

    region = make_region().configure("dogpile.cache.memory", expiration_time=600)
    kept: Show = region.cache_on_arguments()(function)
    return kept


def aiocache(function: ShowLater) -> ShowLater:
    """`aiocache.cached`, in memory."""
    from aiocache import cached  # noqa: PLC0415 - an extra

    kept: ShowLater = cached(ttl=600)(function)
    return kept


def cashews(function: ShowLater) -> ShowLater:
    """`cashews`, in memory."""
    from cashews import cache  # noqa: PLC0415 - an extra

    cache.setup("mem://")
    kept: ShowLater = cache(ttl="10m", key="post:{post_id}")(function)
    return kept


FUNCTIONS: Final[dict[str, Callable[[Show], Show]]] = {
    "headrace": headrace,
    "cachetools": cachetools,
    "dogpile.cache": dogpile,
}
COROUTINES: Final[dict[str, Callable[[ShowLater], ShowLater]]] = {
    "headrace": headrace,
    "aiocache": aiocache,
    "cashews": cashews,
}


def measure(library: str, seconds: float) -> list[float]:
    """Microseconds of a call of a function, many times."""
    kept, times = FUNCTIONS[library](show), list[float]()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline or len(times) < 2:
        begun = time.perf_counter_ns()
        for number in range(CALLS):
            kept(number % POSTS)
        times.append((time.perf_counter_ns() - begun) / CALLS / 1000)
    return times[1:]  # with the first ones the values were made


async def measure_later(library: str, seconds: float) -> list[float]:
    """The same for a coroutine function."""
    kept, times = COROUTINES[library](show_later), list[float]()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline or len(times) < 2:
        begun = time.perf_counter_ns()
        for number in range(CALLS):
            await kept(number % POSTS)
        times.append((time.perf_counter_ns() - begun) / CALLS / 1000)
    return times[1:]


if __name__ == "__main__":
    kind, library, limit = sys.argv[1:]
    found = asyncio.run(measure_later(library, float(limit))) if kind == "async" else measure(library, float(limit))
    print(json.dumps(statistics.median(found)), flush=True)
