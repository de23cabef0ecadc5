"""What a sink is given: payloads of one stream and one hour, with the numbers that name them for ever."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

DEFAULT: Final = "ndjson.gz"
EACH: Final = "each"  # an object for each payload


@dataclass(frozen=True)
class Run:
    """Payloads as they were read: `lines` holds each one's JSON and a newline, `numbers` what they are called."""

    numbers: Sequence[int]
    lines: bytes


@dataclass(frozen=True)
class Batch:
    r"""A part of a sealed range of the journal.

    `node` is the name of the machine that accepted the payloads, `stream` the name of their stream (empty: the
    default one), `hour` their hour of arrival in hours since 1970 (UTC). Numbers in between may belong to other
    streams. `form` is how it is stored where it becomes an object: a format of `encoding`, or `EACH`. The same range
    always makes the same batch, however often it is sent and whatever the settings say by then.

    Example: `Batch("web-1", "", 491_000, (Run(range(7, 9), b'{"a":1}\n{"a":2}\n'),)).last == 8`.
    """

    node: str
    stream: str
    hour: int
    runs: tuple[Run, ...]
    form: str = DEFAULT

    @property
    def first(self) -> int:
        """The lowest number."""
        return self.runs[0].numbers[0]

    @property
    def last(self) -> int:
        """The highest number."""
        return self.runs[-1].numbers[-1]

    @cached_property
    def count(self) -> int:
        """How many payloads."""
        return sum(len(run.numbers) for run in self.runs)

    @cached_property
    def size(self) -> int:
        """Bytes of all lines."""
        return sum(len(run.lines) for run in self.runs)

    @property
    def lines(self) -> bytes:
        """All payloads, one a line."""
        return self.runs[0].lines if len(self.runs) == 1 else b"".join(run.lines for run in self.runs)

    def payloads(self) -> Iterator[tuple[int, bytes]]:
        """Each payload with its number, in order."""
        for run in self.runs:
            yield from zip(run.numbers, run.lines.split(b"\n")[:-1], strict=True)

    def only(self, numbers: frozenset[int]) -> "Batch":
        """The part of it with these numbers."""
        chosen = (Run((number,), line + b"\n") for number, line in self.payloads() if number in numbers)
        return replace(self, runs=tuple(chosen))
