"""Posts and pictures in a SQLite file.

Every call opens its own connection: it costs a tenth of a millisecond and makes the store safe in any thread.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from headrace.demo.post import Draft, Post, slug

SCHEMA = """
CREATE TABLE IF NOT EXISTS posts (
    slug TEXT PRIMARY KEY, version INTEGER NOT NULL, date TEXT NOT NULL,
    title TEXT NOT NULL, author TEXT NOT NULL, summary TEXT NOT NULL, body TEXT NOT NULL, picture TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS posts_by_date ON posts (date DESC, slug);
CREATE TABLE IF NOT EXISTS pictures (name TEXT PRIMARY KEY, type TEXT NOT NULL, bytes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS imports (slug TEXT PRIMARY KEY);
"""
COLUMNS = "slug, version, date, title, author, summary, body, picture"


@dataclass(frozen=True)
class Picture:
    """An image's media type and bytes."""

    type: str
    bytes: bytes


class Store:
    """The posts and pictures of the file `path`, which is made with its folder when missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=5)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)

    def page(self, number: int, size: int) -> tuple[list[Post], int]:
        """Posts number `size * (number - 1)` and on, newest first, and how many there are in all."""
        with self._connection() as connection:
            rows = connection.execute(
                f"SELECT {COLUMNS} FROM posts ORDER BY date DESC, slug LIMIT ? OFFSET ?",  # noqa: S608 - a constant
                (size, size * (number - 1)),
            ).fetchall()
            total: int = connection.execute("SELECT count(*) FROM posts").fetchone()[0]
        return [_post(row) for row in rows], total

    def get(self, key: str) -> Post | None:
        """The post whose slug is `key`."""
        with self._connection() as connection:
            row = connection.execute(f"SELECT {COLUMNS} FROM posts WHERE slug = ?", (key,)).fetchone()  # noqa: S608
        return _post(row) if row else None

    def create(self, draft: Draft, date: str) -> Post:
        """Stores a new post under a slug that no other has."""
        wanted = slug(draft.title)
        with self._writing() as connection:
            taken = {row[0] for row in connection.execute("SELECT slug FROM posts WHERE slug LIKE ?", (f"{wanted}%",))}
            names = (wanted if number == 1 else f"{wanted}-{number}" for number in range(1, len(taken) + 2))
            post = Post(next(name for name in names if name not in taken), 1, date, draft)
            _insert(connection, post)
        return post

    def update(self, key: str, version: int, draft: Draft) -> Post | None:
        """Replaces version `version` of the post; None when it has another version by now, or is gone."""
        with self._writing() as connection:
            changed = connection.execute(
                "UPDATE posts SET version = version + 1, title = ?, author = ?, summary = ?, body = ?, picture = ?"
                " WHERE slug = ? AND version = ?",
                (*astuple(draft), key, version),
            )
        return self.get(key) if changed.rowcount else None

    def delete(self, key: str, version: int) -> bool:
        """Removes version `version` of the post; False when it has another version by now, or is gone."""
        with self._writing() as connection:
            return bool(connection.execute("DELETE FROM posts WHERE slug = ? AND version = ?", (key, version)).rowcount)

    def bring_in(self, posts: list[Post]) -> int:
        """Adds those of `posts` that were never brought in before; what was edited or deleted since stays so."""
        with self._writing() as connection:
            known = {row[0] for row in connection.execute("SELECT slug FROM imports UNION SELECT slug FROM posts")}
            new = [post for post in posts if post.slug not in known]
            for post in new:
                _insert(connection, post)
            connection.executemany("INSERT INTO imports VALUES (?)", [(post.slug,) for post in new])
        return len(new)

    def picture(self, name: str) -> Picture | None:
        """The picture `name`."""
        with self._connection() as connection:
            row = connection.execute("SELECT type, bytes FROM pictures WHERE name = ?", (name,)).fetchone()
        return Picture(*row) if row else None

    def keep_picture(self, name: str, picture: Picture) -> None:
        """Stores it, in place of one of the same name."""
        with self._writing() as connection:
            connection.execute("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?)", (name, picture.type, picture.bytes))

    @contextmanager
    def _connection(self, begin: str = "BEGIN") -> Iterator[sqlite3.Connection]:
        """A transaction of its own: committed at the end, undone when something is raised."""
        with closing(sqlite3.connect(self._path, timeout=5, isolation_level=None)) as connection, connection:
            connection.execute(begin)
            yield connection

    def _writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """A transaction that no other writes beside, so that what it has read still holds when it writes."""
        return self._connection("BEGIN IMMEDIATE")


def _insert(connection: sqlite3.Connection, post: Post) -> None:
    values = (post.slug, post.version, post.date, *astuple(post.draft))
    connection.execute(f"INSERT INTO posts ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608


def _post(row: tuple[Any, ...]) -> Post:
    key, version, date, *draft = row
    return Post(key, version, date, Draft(*draft))
