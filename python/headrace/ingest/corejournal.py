"""The core's journal, as the landing wants it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from headrace import _core
from headrace.errors import OperationError
from headrace.ingest.batches import HOUR
from headrace.ingest.journal import Packed, Range, Seal, Slice, Span
from headrace.sinks.batch import Coding


class CoreJournal:
    """`_core.Journal` behind the protocol of `ingest.journal`; slices end with the hour, as batches do.

    Example: `CoreJournal(_core.Journal(folder)).survey(0, 1000, 1 << 20)`.
    What the core raises becomes an `OperationError`.
    """

    def __init__(self, journal: _core.Journal) -> None:
        self._journal = journal

    def survey(self, first: int, max_payloads: int, max_bytes: int) -> Sequence[Span]:
        """What is neither sealed nor landed."""
        with _told():
            return self._journal.survey(first, max_payloads=max_payloads, max_bytes=max_bytes, span=HOUR / 1000)

    def read(self, seal: Seal) -> Sequence[Slice]:
        """All that is sealed by it."""
        with _told():
            return self._journal.read(seal.range.stream, seal.range.first, seal.range.last)

    def pack(self, seal: Seal, coding: Coding, level: int) -> Packed:
        """The same, compressed."""
        with _told():
            return self._journal.pack(seal.range.stream, seal.range.first, seal.range.last, coding, level=level)

    def seal(self, wanted: Range, note: bytes) -> Seal:
        """Seals what is open of the range."""
        with _told():
            return _seal(self._journal.seal(wanted.stream, wanted.first, wanted.last, note))

    def landed(self, seal: Seal) -> None:
        """All of it has landed."""
        with _told():
            self._journal.landed(seal.id)

    def sealed(self) -> Sequence[Seal]:
        """What is sealed and hasn't landed."""
        with _told():
            return [_seal(seal) for seal in self._journal.sealed()]

    def wait(self, first: int, seconds: float) -> bool:
        """Waits for a payload numbered `first` or higher."""
        with _told():
            return self._journal.wait(first, seconds)


def _seal(seal: _core.Seal) -> Seal:
    return Seal(seal.id, Range(seal.stream, seal.first, seal.last), seal.count, seal.note)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except _core.CoreError as error:
        raise OperationError(str(error)) from error
