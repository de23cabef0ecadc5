"""The seam between the journal and wherever payloads land. A sink is one call; what it may raise says what to do next.

SinkError
├── Transient    try again: nobody answers, too much at once
├── Held         try again, and tell somebody: the bucket or the credentials, every batch would fail
└── Rejected     don't try again: these payloads will never be taken
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from headrace.errors import OperationError
from headrace.sinks.batch import Batch


@dataclass(frozen=True)
class Receipt:
    """Where a batch landed (an object's key; with one object for each payload, its pattern), and in how many bytes."""

    where: str
    size: int


class Sink(Protocol):
    """Takes a batch as a whole and for good before `put` returns.

    The same batch may come again after a crash or an error: a sink either takes it once more without a trace (same
    key, same bytes) or says that it delivers at least once. Calls run at the same time.
    """

    async def put(self, batch: Batch) -> Receipt:
        """Lands the batch. Raises `Transient`, `Held` or `Rejected`."""

    async def close(self) -> None:
        """Lets go of connections and threads."""


class SinkError(OperationError):
    """A batch didn't land."""


class Transient(SinkError):  # noqa: N818 - a kind of failure, read in a sentence
    """It may land later; `retry_after` is the sink's own wish in seconds, `slow_down` that it has too much to do."""

    def __init__(self, message: str, *, retry_after: float | None = None, slow_down: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.slow_down = slow_down


class Held(SinkError):  # noqa: N818
    """No batch lands until somebody mends it; `hint` says what."""


class Rejected(SinkError):  # noqa: N818
    """Payloads that will never land: those with `numbers`, or the whole batch.

    All others of the batch landed, `receipt` says where.
    """

    def __init__(self, message: str, *, numbers: Collection[int] | None = None, receipt: Receipt | None = None) -> None:
        super().__init__(message)
        self.numbers = None if numbers is None else frozenset(numbers)
        self.receipt = receipt
