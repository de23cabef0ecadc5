"""`disk://FOLDER`: values in an SQLite database, shared by the processes of a machine and still there after a restart.

Every change is one transaction, so that no reader sees half of one and a crash leaves the old or the new. The oldest
values make room when the folder has reached its bytes. A lease knows how many invalidations there had been when it was
taken: a value computed before one of its key, tags or prefixes is not stored after it.

A database that is damaged is set aside as `cache.db.damaged`, and a new one is begun.
"""

import os
import secrets
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from headrace.cache.backend import Found, Lease
from headrace.cache.errors import AwayError, RefusedError
from headrace.cache.outage import Outage
from headrace.cache.threads import LOOK, Blocking

# `fresh` and `gone` are times of the wall clock: since when it is stale, and since when it is no more.
SCHEMA: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, value BLOB NOT NULL, size INTEGER NOT NULL,
    since REAL NOT NULL, fresh REAL NOT NULL, gone REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_gone ON entries (gone);
CREATE TABLE IF NOT EXISTS tags (
    tag TEXT NOT NULL, entry INTEGER NOT NULL REFERENCES entries (number) ON DELETE CASCADE, PRIMARY KEY (tag, entry)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tags_entry ON tags (entry);
CREATE TABLE IF NOT EXISTS leases (key TEXT PRIMARY KEY, id TEXT NOT NULL, until REAL NOT NULL, mark INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS marks (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL, time REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS total (bytes INTEGER NOT NULL);
INSERT INTO total SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM total);
CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON entries BEGIN UPDATE total SET bytes = bytes + new.size; END;
CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON entries BEGIN UPDATE total SET bytes = bytes - old.size; END;
"""
MEANT: Final = {
    "key": "key = :name",
    "tag": "number IN (SELECT entry FROM tags WHERE tag = :name)",
    "prefix": "substr(key, 1, length(:name)) = :name",
}
# How many it meets, what makes them stale (for as long as they may be used so), and what removes them.
INVALIDATE: Final = {
    kind: (
        "SELECT count(*) FROM entries WHERE gone > :now AND " + meant,  # noqa: S608 - of texts of ours
        "UPDATE entries SET gone = gone - (fresh - :now), fresh = :now WHERE fresh > :now AND " + meant,  # noqa: S608 - of texts of ours
        "DELETE FROM entries WHERE " + meant,  # noqa: S608 - of texts of ours
    )
    for kind, meant in MEANT.items()
}
OVERHEAD: Final = 200  # bytes of an entry beside its key, value and tags
LONGEST: Final = 3600.0  # seconds of a lease; marks are kept for as long
SWEPT: Final = 100  # expired values that a set removes at most


class DiskBackend(Blocking):
    """Values in a folder, at most about `max_bytes` of them. `wait` is in seconds, for other processes that write.

    Example: `DiskBackend(Path("/var/cache/app"), max_bytes=1 << 30).set("post:3", b"...", ttl=600)`.
    """

    def __init__(
        self, folder: Path, *, max_bytes: int, wait: float = 0.25, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = folder / "cache.db"
        self._max_bytes = max_bytes
        self._wait = wait
        self._clock = clock
        self._outage = Outage(f"disk://{folder}")
        self._left: list[sqlite3.Connection] = []
        self.forget()
        _backends.add(self)

    def forget(self) -> None:
        """Begins anew: SQLite's connections belong to the process that opened them, which is who may close them."""
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def leave(self) -> None:
        """What a child does with its parent's connection: keeps it, untouched."""
        if self._connection is not None:
            self._left.append(self._connection)
        self.forget()

    def get(self, key: str) -> Found | None:
        """As `Backend.get`."""
        with self._database() as database:
            return self._found(database, key)

    def get_many(self, keys: Sequence[str]) -> dict[str, Found]:
        """As `Backend.get_many`."""
        with self._database() as database:
            found = ((key, self._found(database, key)) for key in keys)
            return {key: one for key, one in found if one is not None}

    def set(
        self,
        key: str,
        value: bytes,
        *,
        ttl: float,
        stale: float = 0,
        tags: Sequence[str] = (),
        lease: Lease | None = None,
        over: Found | None = None,
    ) -> bool:
        """As `Backend.set`."""
        with self._transaction() as database:
            if lease is not None and not self._may_store(database, lease, key, tags):
                return False
            if over is not None and not self._is_there(database, key, over):
                return False
            self._store(database, key, value, ttl, stale, tags)
            return True

    def set_many(self, values: Mapping[str, bytes], *, ttl: float, stale: float = 0, tags: Sequence[str] = ()) -> None:
        """As `Backend.set_many`."""
        refused: RefusedError | None = None
        with self._transaction() as database:
            for key, value in values.items():
                try:
                    self._store(database, key, value, ttl, stale, tags)
                except RefusedError as error:  # noqa: PERF203 - the others are kept
                    refused = error
        if refused is not None:
            raise refused

    def leased(self, key: str, seconds: float) -> Found | Lease | None:
        """As `Backend.lease` with no time to wait."""
        with self._transaction() as database:
            found, now = self._found(database, key), self._clock()
            if found is not None and found.fresh_for > 0:
                return found
            if database.execute("SELECT 1 FROM leases WHERE key = ? AND until > ?", (key, now)).fetchone():
                return found
            lease = secrets.token_hex(8)
            mark = database.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'marks'")
            row = (key, lease, now + min(seconds, LONGEST), mark.fetchone()[0])
            database.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", row)
            return Lease(key, lease, found)

    def give_up(self, lease: Lease) -> None:
        """As `Backend.give_up`."""
        with self._transaction() as database:
            database.execute("DELETE FROM leases WHERE key = ? AND id = ?", (lease.key, lease.id))

    def delete(self, key: str) -> bool:
        """As `Backend.delete`."""
        return self.invalidate(key=key) > 0

    def invalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """As `Backend.invalidate`."""
        kind = "key" if key is not None else "tag" if tag is not None else "prefix"
        name = key if key is not None else tag if tag is not None else prefix or ""
        with self._transaction() as database:
            now = self._clock()
            database.execute("DELETE FROM marks WHERE time < ?", (now - LONGEST,))
            database.execute("INSERT INTO marks (kind, name, time) VALUES (?, ?, ?)", (kind, name, now))
            count, soften, remove = INVALIDATE[kind]
            row = {"now": now, "name": name}
            met = database.execute(count, row).fetchone()[0]
            database.execute(soften if soft else remove, row)
            return int(met)

    def close(self) -> None:
        """As `Backend.close`."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _found(self, database: sqlite3.Connection, key: str) -> Found | None:
        now = self._clock()
        row = database.execute(
            "SELECT value, since, fresh, gone FROM entries WHERE key = ? AND gone > ?", (key, now)
        ).fetchone()
        if row is None:
            return None
        value, since, fresh, gone = row
        times = max(0.0, now - since), max(0.0, fresh - now), gone - max(fresh, now)
        return Found(value, *times, "disk", version=round(since * 1e9))

    def _is_there(self, database: sqlite3.Connection, key: str, over: Found) -> bool:
        found = self._found(database, key)
        return found is not None and found.fresh_for > 0 and found.version == over.version

    def _may_store(self, database: sqlite3.Connection, lease: Lease, key: str, tags: Sequence[str]) -> bool:
        mine = (lease.key, lease.id)
        held = database.execute("SELECT until, mark FROM leases WHERE key = ? AND id = ?", mine).fetchone()
        database.execute("DELETE FROM leases WHERE key = ? AND id = ?", mine)
        if held is None or held[0] <= self._clock():
            return False
        since = database.execute("SELECT kind, name FROM marks WHERE number > ?", (held[1],))
        return not any(
            key == name if kind == "key" else name in tags if kind == "tag" else key.startswith(name)
            for kind, name in since
        )

    def _store(
        self, database: sqlite3.Connection, key: str, value: bytes, ttl: float, stale: float, tags: Sequence[str]
    ) -> None:
        size = OVERHEAD + 2 * len(key.encode()) + len(value) + sum(2 * len(tag.encode()) for tag in tags)
        if size > self._max_bytes:
            raise RefusedError(f"{key!r}: its {len(value)} bytes are more than the cache may have")
        now = self._clock()
        database.execute("DELETE FROM entries WHERE key = ?", (key,))
        row = (key, value, size, now, now + ttl, now + ttl + stale)
        number = database.execute(
            "INSERT INTO entries (key, value, size, since, fresh, gone) VALUES (?, ?, ?, ?, ?, ?)", row
        ).lastrowid
        database.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?)", [(tag, number) for tag in tags])
        database.execute(
            "DELETE FROM entries WHERE number IN (SELECT number FROM entries WHERE gone <= ? LIMIT ?)", (now, SWEPT)
        )
        while database.execute("SELECT bytes FROM total").fetchone()[0] > self._max_bytes:
            database.execute("DELETE FROM entries WHERE number IN (SELECT number FROM entries ORDER BY number LIMIT 1)")

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """The database, for one thread at a time. Raises `AwayError` when it can't be used."""
        with self._lock:
            try:
                self._connection = self._connection or self._opened()
                yield self._connection
            except UnicodeEncodeError as error:
                raise RefusedError(f"a key or a tag is no text: {error}") from error
            except (sqlite3.Error, OSError) as error:
                self._fail(error)
                raise self._outage.begins(AwayError(f"{self._path}: {error}")) from error
        if self._outage.lasts:
            self._outage.ends()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._database() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.rollback()
                raise
            database.execute("COMMIT")

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self._path, timeout=self._wait, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Changing to a write-ahead log doesn't wait for others who do the same: it fails and is done again."""
        deadline = time.monotonic() + self._wait
        while True:
            try:
                connection.executescript(SCHEMA)
            except sqlite3.OperationalError:  # noqa: PERF203 - nothing here is hot
                if time.monotonic() >= deadline:
                    raise
                time.sleep(LOOK)
            else:
                return

    def _fail(self, error: Exception) -> None:
        """After whatever it was, the next call begins with a connection of its own; a damaged file is set aside."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if type(error) is sqlite3.DatabaseError:
            for name in ("cache.db-wal", "cache.db-shm"):
                self._path.with_name(name).unlink(missing_ok=True)
            with suppress(OSError):
                self._path.replace(self._path.with_name("cache.db.damaged"))


def _leave_all() -> None:
    for backend in list(_backends):
        backend.leave()


_backends: "weakref.WeakSet[DiskBackend]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_leave_all)
