"""The payloads of a seal, in the journal until a sink asks for them."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypeVar

from headrace.errors import HeadraceError
from headrace.ingest.journal import Journal, Seal
from headrace.sinks import Rejected, Run, Transient
from headrace.sinks.batch import Coding

Result = TypeVar("Result")


class Sealed:
    """What `seal` holds, as a batch's content; kept once it was read, for the attempts that follow.

    Until then `count` is what was sealed. Raises `Transient` while the journal can't be read, `Rejected` of no payload
    when its disk has lost all of them.

    Example: `Batch("web-1", "", 491_000, Sealed(journal, seal)).packed("gzip")`.
    """

    def __init__(self, journal: Journal, seal: Seal) -> None:
        self._journal = journal
        self._seal = seal
        self._objects: dict[tuple[Coding, int], bytes] = {}
        self.first = seal.range.first
        self.last = seal.range.last
        self.count = seal.count
        self.size = 0

    @property
    def missing(self) -> int:
        """How many payloads the disk has lost, as far as they were read."""
        return max(0, self._seal.count - self.count)

    def runs(self) -> Sequence[Run]:
        """The payloads."""
        return self._runs

    def packed(self, coding: Coding, level: int) -> bytes:
        """The payloads as one object."""
        if (coding, level) not in self._objects:
            packed = _read(lambda: self._journal.pack(self._seal, coding, level))
            self._found(packed.count, packed.size)
            self._objects[coding, level] = packed.data
        return self._objects[coding, level]

    @cached_property
    def _runs(self) -> Sequence[Run]:
        slices = _read(lambda: self._journal.read(self._seal))
        runs = [Run(piece.numbers, piece.lines) for piece in slices]
        self._found(sum(len(run.numbers) for run in runs), sum(len(run.lines) for run in runs))
        return runs

    def _found(self, count: int, size: int) -> None:
        self.count, self.size = count, size
        if not count:
            raise Rejected("the journal's disk has lost all of it", numbers=())


def _read(read: Callable[[], Result]) -> Result:
    try:
        return read()
    except (HeadraceError, OSError) as error:
        raise Transient(f"what was sealed can't be read: {error}") from error
