"""When a batch is complete. Pure: what was read goes in, with the time; complete batches come out, with the reason.

A batch holds payloads of one stream and one hour, so that it becomes one object in one folder. How small it will be
once compressed isn't known before it is; what the stream's batches shrank to so far is a good guess.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from headrace.ingest.journal import Range, Span

HOUR: Final = 3_600_000  # milliseconds
FIRST_GUESS: Final = 0.25  # of a stream's payloads' bytes, before its first batch was stored
WEIGHT: Final = 0.3  # of the latest batch in the guess


class Reason(Enum):
    """What completed a batch."""

    BYTES = "bytes"
    COUNT = "count"
    AGE = "age"
    HOUR = "hour"
    QUEUE = "queue"
    STOP = "stop"


@dataclass(frozen=True)
class Limits:
    """What completes a batch: bytes as stored, bytes as posted (what is in memory), payloads, seconds.

    `queue` and `queue_bytes` are of all streams together: waiting for more than that would only fill the queue.
    They are kept to within one read of the journal. Large objects are cheap to store and quick to query: 8 MiB is
    between Firehose's 5 MiB and Vector's 10 MB. The age bounds how old the newest data in the store is.
    """

    stored: int = 8 << 20
    posted: int = 64 << 20
    count: int = 500_000
    age: float = 30.0
    queue: int = 5_000_000
    queue_bytes: int = 2 << 30


@dataclass(frozen=True)
class Growing:
    """A batch that isn't complete: its range, how many payloads of how many bytes.

    Its first payload was appended at `time` (milliseconds since 1970) and read at `since` (monotonic seconds).
    """

    range: Range
    time: int
    count: int
    size: int
    since: float

    @property
    def hour(self) -> int:
        """The hour that all its payloads are of, counted from 1970."""
        return self.time // HOUR


@dataclass(frozen=True)
class Complete:
    """A batch to be sealed."""

    range: Range
    time: int
    reason: Reason


class Batches:
    """The growing batch of each stream.

    Example: `batches.add(piece, now)` for everything read; `for complete in batches.take(now)` whenever one may be.
    `now` is monotonic seconds: a wall clock that steps completes nothing.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._growing: dict[int, Growing] = {}
        self._complete: deque[Complete] = deque()
        self._shrink: dict[int, float] = {}

    def add(self, piece: Span, now: float) -> None:
        """The payloads that were read next."""
        growing = self._growing.get(piece.stream)
        if growing and growing.hour != piece.time // HOUR:
            self._close(growing, Reason.HOUR)
            growing = None
        growing = _grown(growing, piece) if growing else _begun(piece, now)
        self._growing[piece.stream] = growing
        if reason := self._full(growing):
            self._close(growing, reason)
        elif self._fill_the_queue():
            for each in list(self._growing.values()):
                self._close(each, Reason.QUEUE)

    def take(self, now: float, *, stop: bool = False) -> Iterator[Complete]:
        """The complete batches, oldest first; with `stop` all are complete."""
        for growing in list(self._growing.values()):
            if stop or now - growing.since >= self._limits.age:
                self._close(growing, Reason.STOP if stop else Reason.AGE)
        while self._complete:
            yield self._complete.popleft()

    def due(self, now: float) -> float:
        """Seconds until the oldest growing batch is complete by its age; without one, as long as that takes."""
        oldest = min((growing.since for growing in self._growing.values()), default=now)
        return max(0.0, oldest + self._limits.age - now)

    def oldest(self) -> int | None:
        """When the first payload of all growing batches was appended, in milliseconds since 1970."""
        return min((growing.time for growing in self._growing.values()), default=None)

    def stored(self, stream: int, posted: int, stored: int) -> None:
        """A batch of so many bytes took so many once stored."""
        before, latest = self._shrink.get(stream, FIRST_GUESS), stored / max(posted, 1)
        self._shrink[stream] = before + WEIGHT * (latest - before)

    def _full(self, growing: Growing) -> Reason | None:
        expected = growing.size * self._shrink.get(growing.range.stream, FIRST_GUESS)
        if expected >= self._limits.stored or growing.size >= self._limits.posted:
            return Reason.BYTES
        return Reason.COUNT if growing.count >= self._limits.count else None

    def _fill_the_queue(self) -> bool:
        growing, limits = self._growing.values(), self._limits
        count, size = sum(each.count for each in growing), sum(each.size for each in growing)
        return count >= limits.queue or size >= limits.queue_bytes

    def _close(self, growing: Growing, reason: Reason) -> None:
        del self._growing[growing.range.stream]
        self._complete.append(Complete(growing.range, growing.time, reason))


def _begun(piece: Span, now: float) -> Growing:
    return Growing(Range(piece.stream, piece.first, piece.last), piece.time, piece.count, piece.size, now)


def _grown(growing: Growing, piece: Span) -> Growing:
    return replace(
        growing,
        range=replace(growing.range, last=piece.last),
        count=growing.count + piece.count,
        size=growing.size + piece.size,
    )
