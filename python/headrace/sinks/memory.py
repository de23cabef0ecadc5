"""Payloads in memory: for tests, and to try things."""

from headrace.sinks.batch import Batch
from headrace.sinks.sink import Receipt, SinkError


class MemorySink:
    """Keeps each payload under its number; the same one again changes nothing.

    Example: `sink = MemorySink(); await sink.put(batch); sink.payloads[batch.first]`. Errors in `failures` are raised
    by the next calls, one each.
    """

    def __init__(self) -> None:
        self.payloads: dict[int, bytes] = {}
        self.batches: list[Batch] = []
        self.failures: list[SinkError] = []
        self.closed = False

    async def put(self, batch: Batch) -> Receipt:
        """Keeps it, or raises the next of `failures`."""
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append(batch)
        self.payloads.update(batch.payloads())
        return Receipt(f"memory://{batch.node}-{batch.first}-{batch.last}", batch.size)

    async def close(self) -> None:
        """Marks it as closed."""
        self.closed = True
