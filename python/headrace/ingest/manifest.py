"""Which object holds payload N: a table of what landed, in the state folder.

A row is on disk before the journal hears that its batch landed; a batch that lands again after a crash has the same
row. With the table lost nothing else is: it can be told from the keys in the store.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.errors import OperationError
from headrace.sinks import Batch, Receipt

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS landed (
    first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL, stream TEXT NOT NULL,
    hour INTEGER NOT NULL, bytes INTEGER NOT NULL, place TEXT NOT NULL, node TEXT NOT NULL,
    PRIMARY KEY (first, stream, node)
) WITHOUT ROWID
"""
COLUMNS: Final = "first, last, count, stream, hour, bytes, place, node"


@dataclass(frozen=True)
class Landed:
    """Payloads that landed together; `place` is where, `hour` counts from 1970 (UTC)."""

    first: int
    last: int
    count: int
    stream: str
    hour: int
    bytes: int
    place: str
    node: str

    @classmethod
    def of(cls, batch: Batch, receipt: Receipt) -> "Landed":
        """What is noted once a batch landed."""
        return cls(
            batch.first,
            batch.last,
            batch.count,
            batch.stream,
            batch.hour,
            receipt.size,
            receipt.where,
            batch.node,
        )


class Manifest:
    """The table at `path`; calls may come from any thread, and from other processes, too.

    Example: `manifest.add(Landed.of(batch, receipt))`; `manifest.where(4711)`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        with self._told():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.execute(SCHEMA)

    def add(self, landed: Landed) -> None:
        """Notes it; it is on disk when this returns. Raises `OperationError`."""
        row = tuple(vars(landed).values())
        with self._told():
            self._database.execute(f"INSERT OR REPLACE INTO landed ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?)", row)  # noqa: S608

    def where(self, number: int, stream: str | None = None) -> Sequence[Landed]:
        """What may hold payload `number`.

        It is one place, unless streams took turns: then it is one for each stream that had numbers around it.
        Raises `OperationError`.
        """
        query = f"SELECT {COLUMNS} FROM landed WHERE first <= :n AND last >= :n AND (:s IS NULL OR stream = :s)"  # noqa: S608
        with self._told():
            rows = self._database.execute(query, {"n": number, "s": stream}).fetchall()
        return [Landed(*row) for row in rows]

    def close(self) -> None:
        """Lets go of the file."""
        with self._lock:
            self._database.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except (sqlite3.Error, OSError) as error:
            hint = "make room, or move the file elsewhere"
            raise OperationError(f"cannot use the manifest {self._path}: {error}", hint=hint) from error
