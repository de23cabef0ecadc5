"""A sink that notes where batches land which did not come by the landing: dead letters that are given back."""

import asyncio

from headrace.ingest.manifest import Landed, Manifest
from headrace.sinks import Batch, Receipt, Sink


class NotingSink:
    """Hands batches to `sink`, and notes in the manifest what lands.

    A batch of which only some payloads were refused is there already; its row stays, as it holds the others, too.
    """

    def __init__(self, sink: Sink, manifest: Manifest) -> None:
        self._sink = sink
        self._manifest = manifest

    async def put(self, batch: Batch) -> Receipt:
        """Lands the batch. Raises what the sink raises, and `OperationError` for the manifest."""
        receipt = await self._sink.put(batch)
        if not self._manifest.where(batch.first, batch.stream):
            await asyncio.to_thread(self._manifest.add, Landed.of(batch, receipt))
        return receipt

    async def close(self) -> None:
        """Leaves the sink open: it is the landing's."""
