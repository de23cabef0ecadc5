"""One upload for each payload of a batch, by the core: no payload becomes a Python object unless it is refused."""

from collections.abc import Callable

from headrace import _core
from headrace.sinks.batch import Batch
from headrace.sinks.keys import DIGITS, payload_affixes
from headrace.sinks.s3 import Bucket
from headrace.sinks.sink import Rejected
from headrace.sinks.uploads import Uploads


class CoreUploads(Uploads):
    """Uploads to a bucket of the core's; reads the batch's payloads when it is made.

    `insist` gets the key of a payload that wasn't taken, and what the store said: it returns when the payload has
    landed nevertheless, or raises a `SinkError`. `create` says whether objects are only created, never replaced.
    `landed` stays empty: nothing has to be synced.

    Example: `await CoreUploads(batch, bucket, insist, lambda: True).run(threads, 16)`.
    """

    def __init__(
        self, batch: Batch, bucket: Bucket, insist: Callable[[str, _core.Refused], None], create: Callable[[], bool]
    ) -> None:
        super().__init__(batch)
        self._store = bucket.store
        self._insist = insist
        self._create = create
        before, after = payload_affixes(batch)
        runs = [(run.numbers, run.lines) for run in batch.content.runs()]
        self._objects = _core.Objects(runs, before=bucket.folder + before, digits=DIGITS, after=after)

    def _upload(self) -> None:
        while refused := self._store.upload(self._objects, create=self._create()):
            self._judge(refused)

    def _judge(self, refused: _core.Refused) -> None:
        try:
            self._insist(self._key_of(refused.number), refused)
        except Rejected as error:
            self.refused[refused.number] = error.message

    def _stop(self) -> None:
        self._objects.stop()
