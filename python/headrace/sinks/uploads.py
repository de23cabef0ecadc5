"""One upload for each payload of a batch, many at once.

In threads, because a call that waits in a thread costs half of what the same costs as a task of the event loop: a
payload is small, and most of its price is how it is waited for.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor

from headrace.sinks.batch import Batch
from headrace.sinks.keys import payload_key
from headrace.sinks.sink import Rejected


class Uploads:
    """What is left to upload of a batch, and what became of the rest; a payload that is refused keeps no other back.

    `create` makes an object of a key and its bytes, or raises a `SinkError`.

    Example: `await Uploads(batch, create).run(threads, 64)`.
    """

    def __init__(self, batch: Batch, create: Callable[[str, bytes], None]) -> None:
        self.landed: list[str] = []
        self.refused: dict[int, str] = {}
        self._batch = batch
        self._create = create
        self._waiting = batch.payloads()
        self._taking = threading.Lock()
        self._over = False

    async def run(self, threads: Executor, most: int) -> None:
        """Uploads all, `most` at once; the first error that isn't a payload's own ends it and is raised."""
        loop = asyncio.get_running_loop()
        running = [loop.run_in_executor(threads, self._upload) for _ in range(min(most, self._batch.count))]
        try:
            await asyncio.gather(*running)
        except Exception:
            # Those under way must not outlive the attempt that they belong to.
            self._over = True
            await asyncio.gather(*running, return_exceptions=True)
            raise
        finally:
            self._over = True

    def _upload(self) -> None:
        while (payload := self._next()) is not None:
            number, body = payload
            key = payload_key(self._batch, number)
            try:
                self._create(key, body)
                self.landed.append(key)
            except Rejected as error:
                self.refused[number] = error.message

    def _next(self) -> tuple[int, bytes] | None:
        with self._taking:
            return None if self._over else next(self._waiting, None)
