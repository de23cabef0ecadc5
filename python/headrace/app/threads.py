"""A pool of threads for calls that come from the event loop and answer into it.

`concurrent.futures` would do; it makes two futures, a lock and a condition for each call. Here a call is an item of a
queue on the way in and a callback of the loop on the way out. The threads are daemons: one that hangs in the app
doesn't keep the process from ending.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """At most `count` threads, started when calls would have to wait for one.

    Example: `result = await Threads(32).call(function)`.
    """

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._started = 0
        self._busy = 0  # calls that were not answered yet; only the event loop counts

    async def call(self, function: Callable[[], T]) -> T:
        """What `function` returns or raises in a thread."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def run() -> None:
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001 - it is raised where it was called for
                loop.call_soon_threadsafe(_fail, answer, error)
            else:
                loop.call_soon_threadsafe(_succeed, answer, result)

        self._calls.put(run)
        self._busy += 1
        if self._busy > self._started and self._started < self._count:
            self._start()
        try:
            return await answer
        finally:
            self._busy -= 1

    def _start(self) -> None:
        threading.Thread(target=self._work, name=f"{self._name}-{self._started}", daemon=True).start()
        self._started += 1

    def _work(self) -> None:
        while True:
            self._calls.get()()


def _succeed(answer: "asyncio.Future[T]", result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: "asyncio.Future[T]", error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
