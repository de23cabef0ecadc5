"""One upload for each payload of a batch, several at once.

In threads, because a call that waits in a thread costs half of what the same costs as a task of the event loop: a
payload is small, and most of its price is how it is waited for. For the same reason there are no more threads than the
store keeps busy: near stores cost a fifth more with 64 at once than with 16, far ones are slow with 16.
"""

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

from headrace.sinks.batch import Batch
from headrace.sinks.keys import payload_keys
from headrace.sinks.sink import Rejected

FEW: Final = 4  # of each batch; several batches land at once
OWN_WORK: Final = 0.0005  # seconds: several times what an upload takes of a processor


def at_once(took: float, most: int) -> int:
    """How many uploads of a batch pay at once, when each took so many seconds.

    Example: `at_once(0.020, 64) == 40`, `at_once(0.0005, 64) == FEW`.
    """
    return min(most, max(FEW, round(took / OWN_WORK)))


class Uploads(ABC):
    """What is left to upload of a batch, and what became of the rest; a payload that is refused keeps no other back.

    `took` is the seconds of an upload, on average, once all are done.
    """

    def __init__(self, batch: Batch) -> None:
        self.landed: list[str] = []
        self.refused: dict[int, str] = {}
        self.took = 0.0
        self._batch = batch
        self._key_of = payload_keys(batch)

    async def run(self, threads: Executor, count: int) -> None:
        """Uploads all, `count` at once; the first error that isn't a payload's own ends it and is raised."""
        loop = asyncio.get_running_loop()
        running = [loop.run_in_executor(threads, self._timed) for _ in range(min(count, self._batch.count))]
        try:
            spent = await asyncio.gather(*running)
        except Exception:
            # Those under way must not outlive the attempt that they belong to.
            self._stop()
            await asyncio.gather(*running, return_exceptions=True)
            raise
        finally:
            self._stop()
        self.took = sum(spent) / max(1, self._batch.count)

    def _timed(self) -> float:
        began = time.monotonic()
        self._upload()
        return time.monotonic() - began

    @abstractmethod
    def _upload(self) -> None:
        """Uploads until none is left; in several threads."""

    @abstractmethod
    def _stop(self) -> None:
        """None is left any more."""


class SingleUploads(Uploads):
    """Uploads by calls, one for each payload.

    `create` makes an object of a key and its bytes, or raises a `SinkError`.

    Example: `await SingleUploads(batch, create).run(threads, 16)`.
    """

    def __init__(self, batch: Batch, create: Callable[[str, bytes], None]) -> None:
        super().__init__(batch)
        self._create = create
        self._waiting = batch.payloads()
        self._taking = threading.Lock()
        self._over = False

    def _upload(self) -> None:
        while (payload := self._next()) is not None:
            number, body = payload
            key = self._key_of(number)
            try:
                self._create(key, body)
                self.landed.append(key)
            except Rejected as error:
                self.refused[number] = error.message

    def _next(self) -> tuple[int, bytes] | None:
        with self._taking:
            return None if self._over else next(self._waiting, None)

    def _stop(self) -> None:
        self._over = True
