"""Single flight: of those who want the same value at the same time, one gets it and the others wait for that.

They may be threads and tasks of several event loops at once. Nothing here calls a function or asks a cache.

Invariants
- a key has at most one flight that can be joined;
- a flight ends once: it lands with an answer, fails with the function's error, or is abandoned, which tells those who
  wait to begin again, because whoever flew was cancelled;
- an outdated answer is good for those whose call is older than the flight. Others begin again, once: the next flight
  that they join is younger than their call;
- a flight that has ended, or was closed, is joined by nobody.

After a fork the child has no flights: those who fly are threads of the parent.
"""

import asyncio
import os
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Landed(Generic[T]):
    """The answer."""

    answer: T


@dataclass(frozen=True)
class Failed:
    """The function's error, as it was when it was first seen."""

    error: Exception
    traceback: TracebackType | None

    def again(self) -> Exception:
        """The error, to be raised by one more who waited; its traceback doesn't grow with their number."""
        return self.error.with_traceback(self.traceback)


@dataclass(frozen=True)
class Outdated(Generic[T]):
    """The answer, which could not be kept: it may have been invalidated before some of those who wait came."""

    answer: T


class Abandoned:
    """There is no answer: begin again."""


Outcome = Landed[T] | Outdated[T] | Failed | Abandoned


class Flight(Generic[T]):
    """One flight, for those who wait for it."""

    def __init__(self, key: str) -> None:
        self.key = key
        self._outcome: Future[Outcome[T]] = Future()

    def end(self, outcome: Outcome[T]) -> None:
        """Wakes all who wait. Only the first end counts."""
        if not self._outcome.done():
            self._outcome.set_result(outcome)

    def wait(self, seconds: float) -> Outcome[T] | None:
        """How it ended; None where it takes longer than `seconds`."""
        try:
            return self._outcome.result(seconds)
        except TooLate:
            return None

    async def wait_async(self, seconds: float) -> Outcome[T] | None:
        """As `wait`, for a task."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def tell(_: object) -> None:
            with suppress(RuntimeError):  # the loop is closed, and nobody waits
                loop.call_soon_threadsafe(_end, ended)

        self._outcome.add_done_callback(tell)
        await asyncio.wait([ended], timeout=seconds)
        return self._outcome.result() if self._outcome.done() else None


class Flights(Generic[T]):
    """The flights of a process, by key.

    Example:
        flight, first = flights.join("post:3")
        if first:
            flights.end(flight, Landed(show_post(3)))
        else:
            outcome = flight.wait(seconds=10)
    """

    def __init__(self) -> None:
        self._begin()
        _all.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._flying: dict[str, Flight[T]] = {}

    def join(self, key: str) -> tuple[Flight[T], bool]:
        """The flight of this key, and whether the caller is the first, who must end it."""
        with self._lock:
            flight = self._flying.get(key)
            if flight is not None:
                return flight, False
            flight = self._flying[key] = Flight(key)
            return flight, True

    def close(self, key: str, flight: Flight[T] | None = None) -> None:
        """Lets nobody join the flight of this key (only if it is `flight`); those who wait go on waiting."""
        with self._lock:
            if flight is None or self._flying.get(key) is flight:
                self._flying.pop(key, None)

    def end(self, flight: Flight[T], outcome: Outcome[T]) -> None:
        """Ends a flight."""
        self.close(flight.key, flight)
        flight.end(outcome)

    @contextmanager
    def leading(self, flight: Flight[T]) -> Iterator[None]:
        """Ends the flight where the block raises; errors are for all who wait, a cancellation is for nobody else."""
        try:
            yield
        except Exception as error:
            self.end(flight, Failed(error, error.__traceback__))
            raise
        except BaseException:
            self.end(flight, Abandoned())
            raise


def _end(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)


def _begin_anew() -> None:
    for flights in list(_all):
        flights._begin()  # noqa: SLF001 - of this file


_all: "weakref.WeakSet[Flights[Any]]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_begin_anew)
