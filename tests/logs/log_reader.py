"""A log server over a folder of log files that a test writes itself."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace._core import Engine, Journal, Limits, LogOptions, LogServer
from headrace.logs.destination import Destination
from headrace.logs.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "secret"


def line(second: int, level: str = "INFO", source: str = "web", message: str = "up", fields: str = "") -> str:
    """A line of the default form, `second` seconds after a full hour."""
    minute, second = divmod(second, 60)
    return f"2026-11-23 12:{minute:02}:{second:02};{level};{source};{message}{fields and ';' + fields}\n"


def append(folder: Path, *lines: str) -> None:
    """Writes as the collector does: whole lines at the end."""
    with (folder / "log.txt").open("a", encoding="utf-8") as file:
        file.write("".join(lines))


@contextmanager
def serving(folder: Path, journal: Path, address: str = "127.0.0.1:0", *, warn=lambda _text: None) -> Iterator[Reader]:
    """Serves the log of `folder`; a reader of it."""
    kept = Journal(journal, reserve_bytes=0)
    engine = Engine(threads=1, limits=Limits())
    server = LogServer(kept, LogOptions(tokens=[TOKEN]), file=folder / "log.txt")
    listener = engine.listen(address, server)
    try:
        yield Reader(Destination(f"http://{listener.address}", TOKEN, None, None), warn)
    finally:
        engine.stop(10.0)
        kept.close()
