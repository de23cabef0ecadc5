"""What a sink is given: payloads of one stream and one hour, with the numbers that name them for ever.

A sink takes a batch as a compressed object, which the core makes of it without a Python object for any payload, or
payload by payload. Where they are until then is its content's business: here in memory, or in the journal.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal, Protocol

from headrace import _core

DEFAULT: Final = "ndjson.gz"
EACH: Final = "each"  # an object for each payload

Coding = Literal["gzip", "zstd"]


@dataclass(frozen=True)
class Run:
    """Payloads as they were read: `lines` holds each one's JSON and a newline, `numbers` what they are called."""

    numbers: Sequence[int]
    lines: bytes


class Content(Protocol):
    """The payloads of a batch. Calls may wait for a disk, and raise a `SinkError` when it can't be read."""

    @property
    def first(self) -> int:
        """The lowest number."""

    @property
    def last(self) -> int:
        """The highest number."""

    @property
    def count(self) -> int:
        """How many payloads."""

    @property
    def size(self) -> int:
        """Bytes of all lines."""

    @property
    def missing(self) -> int:
        """How many more there were once, which a disk has lost."""

    def runs(self) -> Sequence[Run]:
        """The payloads."""

    def packed(self, coding: Coding, level: int) -> bytes:
        """The same as one compressed object: the same payloads are always the same bytes."""


@dataclass(frozen=True)
class Runs:
    r"""Payloads in memory.

    Example: `Runs((Run(range(7, 9), b'{"a":1}\n{"a":2}\n'),)).last == 8`.
    """

    all: tuple[Run, ...]
    missing: int = 0

    @property
    def first(self) -> int:
        """The lowest number."""
        return self.all[0].numbers[0]

    @property
    def last(self) -> int:
        """The highest number."""
        return self.all[-1].numbers[-1]

    @cached_property
    def count(self) -> int:
        """How many payloads."""
        return sum(len(run.numbers) for run in self.all)

    @cached_property
    def size(self) -> int:
        """Bytes of all lines."""
        return sum(len(run.lines) for run in self.all)

    def runs(self) -> Sequence[Run]:
        """The payloads."""
        return self.all

    def packed(self, coding: Coding, level: int) -> bytes:
        """The payloads as one object."""
        return _core.pack(b"".join(run.lines for run in self.all), coding, level=level).data


@dataclass(frozen=True)
class Batch:
    r"""A part of a sealed range of the journal.

    `node` is the name of the machine that accepted the payloads, `stream` the name of their stream (empty: the
    default one), `hour` their hour of arrival in hours since 1970 (UTC). Numbers in between may belong to other
    streams. `form` is how it is stored where it becomes an object: a format of `encoding`, or `EACH`; `level` how
    thoroughly it is compressed, 0 as usual. The same range always makes the same batch, however often it is sent and
    whatever the settings say by then.

    Example: `Batch("web-1", "", 491_000, Runs((Run(range(7, 9), b'{"a":1}\n{"a":2}\n'),))).last == 8`.
    """

    node: str
    stream: str
    hour: int
    content: Content
    form: str = DEFAULT
    level: int = 0

    @property
    def first(self) -> int:
        """The lowest number."""
        return self.content.first

    @property
    def last(self) -> int:
        """The highest number."""
        return self.content.last

    @property
    def count(self) -> int:
        """How many payloads."""
        return self.content.count

    @property
    def size(self) -> int:
        """Bytes of all lines."""
        return self.content.size

    @property
    def missing(self) -> int:
        """How many payloads of the range a disk has lost."""
        return self.content.missing

    @property
    def lines(self) -> bytes:
        """All payloads, one a line."""
        return b"".join(run.lines for run in self.content.runs())

    def payloads(self) -> Iterator[tuple[int, bytes]]:
        """Each payload with its number, in order."""
        for run in self.content.runs():
            yield from zip(run.numbers, run.lines.split(b"\n")[:-1], strict=True)

    def packed(self, coding: Coding) -> bytes:
        """All payloads, one a line, as one compressed object."""
        return self.content.packed(coding, self.level)

    def only(self, numbers: frozenset[int]) -> "Batch":
        """The part of it with these numbers."""
        chosen = (Run((number,), line + b"\n") for number, line in self.payloads() if number in numbers)
        return replace(self, content=Runs(tuple(chosen)))
