"""A journal in memory, with what its disk would hold; and a fuse that ends everything at the n-th call."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from headrace import _core
from headrace.ingest.batches import HOUR
from headrace.ingest.journal import Range, Seal
from headrace.sinks.batch import Coding


class Crash(BaseException):
    """The process is gone."""


@dataclass
class Fuse:
    """Burns at the n-th call of all that share it, before or after the call's effect; then nothing works any more."""

    at: int = -1
    late: bool = False
    calls: int = 0
    blown: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def before(self) -> bool:
        with self.lock:
            self.calls += 1
            ends = self.calls == self.at
            if self.blown or (ends and not self.late):
                self.blown = True
                raise Crash
            return ends

    def after(self, ends: bool) -> None:
        if ends:
            self.blown = True
            raise Crash


@dataclass(frozen=True)
class Piece:
    stream: int
    time: int
    numbers: Sequence[int]
    payloads: tuple[bytes, ...]

    @property
    def lines(self) -> bytes:
        return b"".join(payload + b"\n" for payload in self.payloads)

    @property
    def count(self) -> int:
        return len(self.numbers)

    @property
    def size(self) -> int:
        return len(self.lines)

    @property
    def first(self) -> int:
        return self.numbers[0]

    @property
    def last(self) -> int:
        return self.numbers[-1]


@dataclass
class Disk:
    """What outlives a process."""

    payloads: dict[int, tuple[int, int, bytes]] = field(default_factory=dict)  # number: stream, time, bytes
    open: set[int] = field(default_factory=set)
    seals: dict[int, tuple[Seal, list[int]]] = field(default_factory=dict)
    next_seal: int = 1


class FakeJournal:
    def __init__(self, disk: Disk | None = None, fuse: Fuse | None = None) -> None:
        self.disk = disk or Disk()
        self.fuse = fuse or Fuse()
        self.lock = threading.RLock()
        self.errors: list[Exception] = []

    def append(self, *payloads: bytes, stream: int = 0, time_ms: int = 490_000 * HOUR) -> None:
        with self.lock:
            for payload in payloads:
                number = len(self.disk.payloads) + 1
                self.disk.payloads[number] = (stream, time_ms, payload)
                self.disk.open.add(number)

    def survey(self, first: int, max_payloads: int, max_bytes: int) -> list[Piece]:
        with self._call():
            wanted = sorted(number for number in self.disk.open if number >= first)
            return list(self._pieces(wanted[:max_payloads]))

    def read(self, seal: Seal) -> list[Piece]:
        with self._call():
            return list(self._pieces(self.disk.seals[seal.id][1]))

    def pack(self, seal: Seal, coding: Coding, level: int) -> _core.Packed:
        with self._call():
            pieces = self._pieces(self.disk.seals[seal.id][1])
            return _core.pack(b"".join(piece.lines for piece in pieces), coding, level=level)

    def seal(self, wanted: Range, note: bytes) -> Seal:
        with self._call():
            inside = [number for number in sorted(self.disk.open) if wanted.first <= number <= wanted.last]
            numbers = [number for number in inside if self.disk.payloads[number][0] == wanted.stream]
            seal = Seal(self.disk.next_seal, wanted, len(numbers), note)
            self.disk.next_seal += 1
            self.disk.seals[seal.id] = (seal, numbers)
            self.disk.open -= set(numbers)
            return seal

    def landed(self, seal: Seal) -> None:
        with self._call():
            del self.disk.seals[seal.id]

    def sealed(self) -> list[Seal]:
        with self._call():
            return [seal for seal, _ in self.disk.seals.values()]

    def wait(self, first: int, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not (found := any(number >= first for number in self.disk.open)) and time.monotonic() < deadline:
            time.sleep(0.005)
        return found

    @property
    def empty(self) -> bool:
        return not self.disk.open and not self.disk.seals

    def _pieces(self, numbers: Sequence[int]) -> Iterator[Piece]:
        groups: dict[tuple[int, int], list[int]] = {}
        for number in numbers:
            stream, appended, _ = self.disk.payloads[number]
            groups.setdefault((stream, appended // HOUR), []).append(number)
        for (stream, _), members in groups.items():
            bodies = tuple(self.disk.payloads[number][2] for number in members)
            yield Piece(stream, self.disk.payloads[members[0]][1], members, bodies)

    @contextmanager
    def _call(self) -> Iterator[None]:
        with self.lock:
            if self.errors:
                raise self.errors.pop(0)
            ends = self.fuse.before()
            yield
            self.fuse.after(ends)
