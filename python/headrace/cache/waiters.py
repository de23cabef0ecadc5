"""Tasks that wait for the end of a key's lease, on any event loop, without a thread and without looking at intervals.

A waiter is registered before the task looks whether the lease still holds, and whoever ends a lease tells the waiters
after that: so no end is missed, whichever comes first. Being woken promises nothing; the task looks again.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Waiter:
    """One task that waits."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Ends the wait; from any thread."""
        with suppress(RuntimeError):  # its loop was closed meanwhile
            self._loop.call_soon_threadsafe(self._woken.set)

    async def wait(self, seconds: float) -> None:
        """Returns when it was woken since the last time, or after so many `seconds`."""
        over = self._loop.call_later(seconds, self._woken.set)
        try:
            await self._woken.wait()
        finally:
            over.cancel()
        self._woken.clear()


class Waiters:
    """Who waits for which key.

    Example:
        with waiters.waiter("post:3") as waiter:
            while is_held("post:3"):
                await waiter.wait(10)
        waiters.wake("post:3")                    # another task or thread, after it ended the lease
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, set[Waiter]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    @contextmanager
    def waiter(self, key: str) -> Iterator[Waiter]:
        """The running task as one that waits for `key`, until the block ends, also by cancellation."""
        waiter = Waiter()
        with self._lock:
            self._waiting.setdefault(key, set()).add(waiter)
        try:
            yield waiter
        finally:
            with self._lock:
                others = self._waiting[key]
                others.remove(waiter)
                if not others:
                    del self._waiting[key]

    def wake(self, key: str) -> None:
        """Wakes all who wait for `key`."""
        if self._waiting:  # hardly ever; a waiter that comes now looks after what was done before this call
            with self._lock:
                woken = list(self._waiting.get(key, ()))
            for waiter in woken:
                waiter.wake()

    def wake_prefix(self, prefix: str) -> None:
        """Wakes all who wait for a key that begins so."""
        with self._lock:
            woken = [key for key in self._waiting if key.startswith(prefix)]
        for key in woken:
            self.wake(key)
