"""What a client was given and hasn't been acknowledged yet. One thread takes from it, any number put into it."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class OutboxLimits:
    """When payloads leave together: so many, so many bytes, so many seconds; and how many bytes may wait in all."""

    count: int = 500
    size: int = 512 << 10
    age: float = 1.0
    queue: int = 32 << 20


class Outbox:
    """A bounded queue that is emptied in batches.

    Example: `outbox.put(b"{}", timeout=None)`; another thread: `while batch := outbox.take(): ...; outbox.done(batch)`.
    """

    def __init__(self, limits: OutboxLimits, monotonic: Callable[[], float]) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._accepted = 0
        self._done = 0
        self._since = 0.0
        self._flushing = 0
        self._closed = False

    def put(self, payload: bytes, timeout: float | None) -> bool:
        """Waits until there is room, as long as `timeout` seconds (None: without end); whether there was."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._fits(payload), timeout):
                return False
            if not self._queue:
                self._since = self._monotonic()
            self._queue.append(payload)
            self._size += len(payload)
            self._accepted += 1
            if len(self._queue) == 1 or self._full():
                self._changed.notify_all()
            return True

    def take(self) -> list[bytes]:
        """Waits for the next batch; empty once the outbox is closed and nothing is left."""
        with self._changed:
            while not self._ready():
                self._changed.wait(self._left() if self._queue else None)
            return self._batch()

    def done(self, count: int) -> None:
        """So many of the payloads that were taken are acknowledged, or given up."""
        with self._changed:
            self._done += count
            self._changed.notify_all()

    def flush(self, timeout: float | None) -> bool:
        """Has what there is taken without waiting for more; whether all of it was done within `timeout` seconds."""
        with self._changed:
            wanted = self._accepted
            self._flushing += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: self._done >= wanted, timeout)
            finally:
                self._flushing -= 1

    def close(self) -> None:
        """What is left can be taken; after it there is nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _fits(self, payload: bytes) -> bool:
        return not self._size or self._size + len(payload) <= self._limits.queue

    def _left(self) -> float:
        return max(0.0, self._since + self._limits.age - self._monotonic())

    def _full(self) -> bool:
        return len(self._queue) >= self._limits.count or self._size >= self._limits.size

    def _ready(self) -> bool:
        if not self._queue:
            return self._closed
        return bool(self._closed or self._flushing or not self._left() or self._full())

    def _batch(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        while self._queue and len(batch) < self._limits.count:
            if batch and size + len(self._queue[0]) > self._limits.size:
                break
            size += len(self._queue[0])
            batch.append(self._queue.popleft())
        self._size -= size
        self._since = self._monotonic()
        self._changed.notify_all()
        return batch
