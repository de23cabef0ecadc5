"""Payloads that a sink refused for good, kept with the reason until somebody looks at them.

A file for each batch: the first line says where it comes from and why it is here, each further line is a payload. A
batch that is set aside again, after a crash or a replay, has the same file.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

from headrace.errors import OperationError
from headrace.sinks import Batch, Rejected, Run, Runs, Sink
from headrace.state import reason as words
from headrace.state import write_atomically

SUFFIX: Final = ".dead.ndjson"


@dataclass(frozen=True)
class DeadLetter:
    """What was set aside together, and the sink's reason."""

    batch: Batch
    reason: str


@dataclass(frozen=True)
class Replayed:
    """What became of all dead letters: payloads that landed, payloads that were refused again."""

    landed: int
    refused: int


class DeadLetters:
    """The folder of dead letters; made when the first one comes.

    Example: `letters.add(batch, frozenset({17}), "the key is too long")`, `list(letters)`,
    `await letters.replay(sink)`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __iter__(self) -> Iterator[DeadLetter]:
        """All of them. Raises `OperationError` for a file that can't be read."""
        return map(_read, self._paths())

    def __len__(self) -> int:
        return len(self._paths())

    def add(self, batch: Batch, numbers: frozenset[int] | None, reason: str) -> None:
        """Keeps these of the batch's payloads (None: all), on disk when it returns. Raises `OperationError`."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OperationError(f"cannot make the folder {self._folder}: {words(error)}") from error
        stream = f"{batch.stream}." if batch.stream else ""
        path = self._folder / f"{stream}{batch.node}-{batch.first:016}-{batch.last:016}{SUFFIX}"
        # What is left of a batch must not take the place of the whole, which may have been kept here before.
        if not (batch.missing and path.exists()):
            _write(path, DeadLetter(_part(batch, numbers), reason))

    async def replay(self, sink: Sink) -> Replayed:
        """Gives all of them to the sink again: what lands goes, what is refused stays, with the new reason.

        Raises what else the sink raises (`Transient`, `Held`): the rest then stays as it is.
        """
        landed = refused = 0
        for path in self._paths():
            batch = _read(path).batch
            try:
                await sink.put(batch)
                path.unlink()
                landed += batch.count
            except Rejected as error:
                rest = _part(batch, error.numbers)
                _write(path, DeadLetter(rest, error.message))
                landed, refused = landed + batch.count - rest.count, refused + rest.count
        return Replayed(landed, refused)

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{SUFFIX}"))


def _part(batch: Batch, numbers: frozenset[int] | None) -> Batch:
    return batch if numbers is None else batch.only(numbers)


def _write(path: Path, letter: DeadLetter) -> None:
    batch = letter.batch
    head: dict[str, Any] = {"reason": letter.reason, "node": batch.node, "stream": batch.stream, "hour": batch.hour}
    head |= {"form": batch.form, "numbers": _spans(chain.from_iterable(run.numbers for run in batch.content.runs()))}
    write_atomically(path, json.dumps(head).encode() + b"\n" + batch.lines)


def _read(path: Path) -> DeadLetter:
    try:
        line, _, lines = path.read_bytes().partition(b"\n")
        head = json.loads(line)
        numbers = tuple(chain.from_iterable(range(first, last + 1) for first, last in head["numbers"]))
        batch = Batch(head["node"], head["stream"], head["hour"], Runs((Run(numbers, lines),)), head["form"])
        return DeadLetter(batch, head["reason"])
    except OSError as error:
        raise OperationError(f"cannot read {path}: {words(error)}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise OperationError(f"{path} is not a file of dead letters", hint="move it elsewhere") from error


def _spans(numbers: Iterable[int]) -> list[list[int]]:
    """Consecutive numbers as pairs of first and last."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] + 1 == number:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return spans
