"""What the landing needs of a journal: read what is open, seal a range, read it, say that it landed.

A *range* is payloads of one stream from one number to another; numbers in between may be of other streams. What is
neither sealed nor landed is *open*. Calls wait for the disk, so they are made in threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace.sinks.batch import Coding


@dataclass(frozen=True)
class Range:
    """Payloads of a stream, from the first number to the last."""

    stream: int
    first: int
    last: int


@dataclass(frozen=True)
class Seal:
    """A range that lands as it is, under what `note` says, or is tried again until it does.

    `id` is its name, `count` how many payloads it had when it was sealed.
    """

    id: int
    range: Range
    count: int
    note: bytes


class Span(Protocol):
    """Payloads of one stream and hour, counted."""

    @property
    def stream(self) -> int:
        """The stream's number."""

    @property
    def time(self) -> int:
        """When the first of them was appended, in milliseconds since 1970."""

    @property
    def count(self) -> int:
        """How many payloads."""

    @property
    def size(self) -> int:
        """Bytes of the payloads, a line feed behind each."""

    @property
    def first(self) -> int:
        """The lowest number."""

    @property
    def last(self) -> int:
        """The highest number."""


class Slice(Protocol):
    """Payloads of one stream, in order."""

    @property
    def numbers(self) -> Sequence[int]:
        """The payloads' numbers."""

    @property
    def lines(self) -> bytes:
        """The payloads, a line feed behind each."""


class Packed(Protocol):
    """Payloads as one compressed object: `count` of them, `size` bytes of lines."""

    @property
    def count(self) -> int:
        """How many payloads."""

    @property
    def size(self) -> int:
        """Bytes of the payloads, a line feed behind each."""

    @property
    def data(self) -> bytes:
        """The object."""


class Journal(Protocol):
    """The journal as the landing sees it. What the disk refuses is an `OSError` or an `OperationError`."""

    def survey(self, first: int, max_payloads: int, max_bytes: int) -> Sequence[Span]:
        """What is open from `first` on, of what is synced, not much more than asked; empty: there is no more now."""

    def read(self, seal: Seal) -> Sequence[Slice]:
        """All payloads that are sealed by it, and no others; without those that the disk lost."""

    def pack(self, seal: Seal, coding: Coding, level: int) -> Packed:
        """The same, a payload a line, compressed."""

    def seal(self, wanted: Range, note: bytes) -> Seal:
        """Seals what is open of the range; it is on disk when this returns."""

    def landed(self, seal: Seal) -> None:
        """Says that all of it has landed, and may be forgotten; it is on disk when this returns."""

    def sealed(self) -> Sequence[Seal]:
        """What is sealed and hasn't landed, in the order in which it was sealed."""

    def wait(self, first: int, seconds: float) -> bool:
        """Waits until a payload numbered `first` or higher can be read; whether it can."""
