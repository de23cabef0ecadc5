"""From the journal to the sink, each payload once.

```
journal -> batches: complete? -> seal -> worker: deliver, manifest, landed
                                                  |-> what is refused for good: dead letters
```

A batch is sealed before the first byte of it leaves, and what it is called and how it is stored is sealed with it.
Whatever happens between the seal and `landed` happens again after a restart, with the same key and the same bytes.
"""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from headrace.clock import Clock
from headrace.ingest.batches import HOUR, Batches, Complete, Limits
from headrace.ingest.delivery import Delivery
from headrace.ingest.insist import insist
from headrace.ingest.journal import Journal, Seal, Span
from headrace.ingest.manifest import Landed, Manifest
from headrace.ingest.sealed import Sealed
from headrace.ingest.tally import Tally
from headrace.ingest.workers import Workers
from headrace.sinks import Batch, Receipt
from headrace.sinks.batch import DEFAULT, EACH

READ: Final = 4 << 20  # bytes that are looked at in one go
REST: Final = 0.05  # seconds between two looks, so that a look is worth its while
NEWS: Final = 0.5  # seconds to wait for more, and to notice that it is time to stop
EACH_COUNT: Final = 1000  # payloads of a batch that are uploaded, and after a crash compared, one by one

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """How payloads land.

    The node's name, the form and its level (see `sinks.encoding`), the names of streams, limits, workers.
    """

    node: str
    form: str = DEFAULT
    streams: Mapping[int, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    workers: int = 4
    level: int = 0

    def sized(self) -> Limits:
        """The limits, as the form needs them."""
        return replace(self.limits, count=min(self.limits.count, EACH_COUNT)) if self.form == EACH else self.limits

    def note(self, complete: Complete) -> bytes:
        """What is sealed with a batch: all that its key and its bytes derive from, besides its payloads."""
        number = complete.range.stream
        stream = self.streams.get(number, f"stream-{number}" if number else "")
        note = {"node": self.node, "stream": stream, "time": complete.time, "form": self.form, "level": self.level}
        return json.dumps(note).encode()


class Landing:
    """Lands what a journal holds and gets.

    Example: `landing = Landing(journal, delivery, manifest, plan, tally, clock)`; `landing.start()`;
    `landing.resize(8)`; `await landing.stop(30.0)`; `await landing.wait()` meanwhile tells of an unexpected end.
    """

    def __init__(
        self, journal: Journal, delivery: Delivery, manifest: Manifest, plan: Plan, tally: Tally, clock: Clock
    ) -> None:
        self._journal = journal
        self._delivery = delivery
        self._manifest = manifest
        self._plan = plan
        self._tally = tally
        self._clock = clock
        limits = plan.sized()
        self._batches = Batches(limits)
        self._most = limits.count
        self._next = 0
        self._sealed: dict[int, int] = {}
        self._hurrying = False
        self._stopping = False

    def start(self) -> None:
        """Begins with what was sealed before and hasn't landed; goes on until `stop`. Needs a running event loop."""
        self._workers = Workers(self._land, self._plan.workers)
        self._feeder = asyncio.create_task(self._feed())

    @property
    def workers(self) -> tuple[int, int]:
        """How many workers there are, and how many of them are busy."""
        return self._workers.count, self._workers.busy

    def hurry(self) -> None:
        """From now on whatever is there lands at once: nobody waits for a batch to grow."""
        self._hurrying = True

    def resize(self, workers: int) -> None:
        """Changes the number of workers; those that are too many finish what they do."""
        self._workers.resize(workers)

    async def wait(self) -> None:
        """Returns once it was stopped. Raises what ended it otherwise: an error of headrace's own."""
        done, _ = await asyncio.wait([self._feeder, self._workers.failed], return_when=asyncio.FIRST_COMPLETED)
        for ended in done:
            if not ended.cancelled():
                ended.result()

    async def stop(self, patience: float) -> bool:
        """Lands all that was accepted, within `patience` seconds; whether it did. The rest waits in the journal."""
        self._hurrying = self._stopping = True
        deadline = self._clock.monotonic() + patience
        done, _ = await asyncio.wait([self._feeder], timeout=patience)
        self._feeder.cancel()
        landed = await self._workers.stop(max(0.0, deadline - self._clock.monotonic()))
        await asyncio.gather(self._feeder, return_exceptions=True)
        return bool(done) and landed

    def oldest(self) -> float:
        """The age in seconds of the oldest payload that was read and hasn't landed; 0 when there is none."""
        growing = self._batches.oldest()
        times = [*self._sealed.values(), *([growing] if growing is not None else [])]
        return max(0.0, self._clock.wall() - min(times) / 1000) if times else 0.0

    async def _feed(self) -> None:
        for seal in await insist(self._journal.sealed):
            await self._give(seal)
        while True:
            hurrying, stopping = self._hurrying, self._stopping
            found = await self._look()
            for complete in self._batches.take(self._clock.monotonic(), stop=hurrying and not found):
                self._tally.completed[complete.reason.value] += 1
                await self._give(await insist(self._journal.seal, complete.range, self._plan.note(complete)))
            if stopping and not found:
                return
            await self._rest(found)

    async def _give(self, seal: Seal) -> None:
        self._sealed[seal.id] = _noted(seal)["time"]
        await self._workers.give(seal)

    async def _look(self) -> Sequence[Span]:
        """What is new, added to the batches."""
        slices = await insist(self._journal.survey, self._next, self._most, READ)
        for piece in slices:
            self._batches.add(piece, self._clock.monotonic())
            self._next = max(self._next, piece.last + 1)
        return slices

    async def _rest(self, found: Sequence[Span]) -> None:
        """Until there is more, a batch has come of age, or it is time to stop; not at all behind a backlog."""
        if sum(piece.size for piece in found) >= READ // 2 or sum(piece.count for piece in found) >= self._most:
            return
        if not found:
            seconds = min(NEWS, self._batches.due(self._clock.monotonic()))
            await asyncio.to_thread(self._journal.wait, self._next, seconds)
        await asyncio.sleep(REST)

    async def _land(self, seal: Seal) -> None:
        batch = self._batch(seal)
        receipt = await self._delivery.deliver(batch)
        if receipt is not None:
            await insist(self._manifest.add, Landed.of(batch, receipt))
            self._count(seal, batch, receipt)
        if batch.missing:
            self._tally.lost += batch.missing
            lost = f"{batch.missing} of {seal.count} payloads, numbers {batch.first} to {batch.last}"
            logger.error("the journal's disk lost %s", lost)
        await insist(self._journal.landed, seal)
        del self._sealed[seal.id]

    def _batch(self, seal: Seal) -> Batch:
        noted = _noted(seal)
        content = Sealed(self._journal, seal)
        hour, level = noted["time"] // HOUR, noted.get("level", 0)
        return Batch(noted["node"], noted["stream"], hour, content, noted["form"], level)

    def _count(self, seal: Seal, batch: Batch, receipt: Receipt) -> None:
        self._batches.stored(seal.range.stream, batch.size, receipt.size)
        self._tally.batches += 1
        self._tally.payloads += batch.count
        self._tally.posted_bytes += batch.size
        self._tally.stored_bytes += receipt.size


def _noted(seal: Seal) -> Any:  # noqa: ANN401 - JSON of our own
    return json.loads(seal.note)
