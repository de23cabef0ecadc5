"""One upload for each payload of a batch, by the core: no payload becomes a Python object unless it is refused."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor

from headrace import _core
from headrace.sinks.batch import Batch
from headrace.sinks.keys import DIGITS, payload_affixes, payload_keys
from headrace.sinks.s3 import Bucket
from headrace.sinks.sink import Rejected

Insist = Callable[[str, _core.Refused], None]


class CoreUploads:
    """What `uploads.Uploads` is, for a bucket of the core's.

    `insist` gets the key of a payload that wasn't taken, and what the store said: it returns when the payload has
    landed nevertheless, or raises a `SinkError`. `create` says whether objects are only created, never replaced.

    Example: `await CoreUploads(batch, bucket, insist, lambda: True).run(threads, 16)`.
    """

    def __init__(self, batch: Batch, bucket: Bucket, insist: Insist, create: Callable[[], bool]) -> None:
        self.landed: list[str] = []  # what has to be synced: nothing
        self.refused: dict[int, str] = {}
        self.took = 0.0
        self._batch = batch
        self._bucket = bucket
        self._insist = insist
        self._create = create

    async def run(self, threads: Executor, count: int) -> None:
        """Uploads all, `count` at once; the first error that isn't a payload's own ends it and is raised."""
        loop = asyncio.get_running_loop()
        objects = await loop.run_in_executor(threads, self._objects)
        try:
            await loop.run_in_executor(threads, self._upload, objects, min(count, self._batch.count))
        finally:
            # The thread must not outlive the attempt that it belongs to.
            objects.stop()

    def _objects(self) -> _core.Objects:
        before, after = payload_affixes(self._batch)
        runs = [(run.numbers, run.lines) for run in self._batch.content.runs()]
        return _core.Objects(runs, before=self._bucket.folder + before, digits=DIGITS, after=after)

    def _upload(self, objects: _core.Objects, count: int) -> None:
        key_of, began = payload_keys(self._batch), time.monotonic()
        while refused := self._bucket.store.upload(objects, count, create=self._create()):
            for each in refused:
                self._judge(key_of(each.number), each)
        self.took = (time.monotonic() - began) * count / self._batch.count

    def _judge(self, key: str, refused: _core.Refused) -> None:
        try:
            self._insist(key, refused)
        except Rejected as error:
            self.refused[refused.number] = error.message
