"""What becomes of log files that are full: they are compressed, and removed by age and by size.

What to do is a pure function of what is there; a thread does it now and then. The file that is being written has no
date in its name and is never touched.

Example:
    archive = Archive(Path("log/log.txt"), Policy(keep=30 * 86400, keep_bytes=10 << 30))
    archive.start()
    archive.close()
"""

import logging
import re
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import time
from typing import Final

from headrace._core import compress_log

__all__ = ["Archive", "Full", "Plan", "Policy", "find", "plan"]

logger = logging.getLogger(__name__)

INTERVAL: Final = 10.0
SIDE: Final = ".late"
PACKED: Final = ".zst"
UNFINISHED: Final = ".zst.new"


@dataclass(frozen=True)
class Policy:
    """How long full files are kept, and how.

    Args:
        compress: Whether they are compressed.
        keep: Seconds since the last line was written, after which a file is removed; None keeps it however old.
        keep_bytes: The most bytes that all of them may have; the oldest go first. None: any number.
    """

    compress: bool = True
    keep: float | None = None
    keep_bytes: int | None = None


@dataclass(frozen=True)
class Full:
    """A file that is written no more, by its name before compression, with its side file.

    Args:
        path: Its name before compression.
        size: Bytes of all that belongs to it, as it is.
        written: When its last line was written, in seconds since 1970.
        plain: Whether any of it is there uncompressed.
    """

    path: Path
    size: int
    written: float
    plain: bool

    @property
    def side(self) -> Path:
        """The side file's name before compression."""
        return self.path.with_name(self.path.name + SIDE)

    @property
    def parts(self) -> tuple[Path, ...]:
        """All files that may belong to it."""
        both = (self.path, self.side)
        return tuple(path.with_name(path.name + suffix) for path in both for suffix in ("", PACKED, UNFINISHED))


@dataclass(frozen=True)
class Plan:
    """What to compress and what to remove, oldest first."""

    compress: tuple[Full, ...] = ()
    remove: tuple[Full, ...] = ()


def plan(files: Sequence[Full], policy: Policy, now: float) -> Plan:
    """What `policy` says about `files`, given oldest first; `now` is in seconds since 1970.

    Example:
        plan([Full(Path("log-20261123-154000-0001.txt"), 10, 0.0, True)], Policy(keep=60.0), 61.0).remove
    """
    kept: list[Full] = []
    room = policy.keep_bytes
    for file in reversed(files):
        fits = room is None or file.size <= room
        if not fits or (policy.keep is not None and now - file.written > policy.keep):
            break
        room = None if room is None else room - file.size
        kept.insert(0, file)
    # All that is older than a file that goes has to go, too: no gaps.
    removed = files[: len(files) - len(kept)]
    return Plan(tuple(file for file in kept if file.plain and policy.compress), tuple(removed))


def find(path: Path) -> list[Full]:
    """The full files beside the log file at `path`, oldest first; none where there is no folder. Raises `OSError`."""
    pattern = re.compile(rf"{re.escape(path.stem)}-\d{{8}}-\d{{6}}-\d{{4,}}{re.escape(path.suffix)}")
    try:
        names = {file.name for file in path.parent.iterdir()}
    except FileNotFoundError:
        return []
    bare = {name.removesuffix(PACKED) for name in names}
    return sorted(_full(path.with_name(name) for name in bare if pattern.fullmatch(name)), key=_age)


def _full(paths: Iterable[Path]) -> Iterable[Full]:
    for path in paths:
        # It may be removed by hand meanwhile.
        with suppress(FileNotFoundError):
            packed = path.with_name(path.name + PACKED)
            written = (path if path.exists() else packed).stat().st_mtime
            file = Full(path, 0, written, plain=False)
            size = sum(part.stat().st_size for part in file.parts if part.exists())
            yield replace(file, size=size, plain=path.exists() or file.side.exists())


def _age(file: Full) -> tuple[str, int]:
    start, _, count = file.path.stem.rpartition("-")
    return start, int(count)


class Archive:
    """Keeps the full files beside a log file as a policy says, by a thread of its own.

    Args:
        path: The log file.
        policy: What is kept.
        interval: Seconds between two looks.
    """

    def __init__(self, path: Path, policy: Policy, *, interval: float = INTERVAL) -> None:
        self._path = path
        self._policy = policy
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log archive", daemon=True)
        self._fault = ""

    @property
    def fault(self) -> str:
        """What could not be done the last time; empty where all could."""
        return self._fault

    def start(self) -> None:
        """Looks now, and then each `interval`."""
        self._thread.start()

    def close(self) -> None:
        """Ends after the file that is being compressed."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def tidy(self) -> None:
        """Does what is to be done now. What fails is told in `fault` and tried again the next time."""
        fault = ""
        try:
            todo = plan(find(self._path), self._policy, time())
        except OSError as error:
            todo, fault = Plan(), str(error)
        for file in todo.remove:
            fault = self._remove(file) or fault
        for path in (path for file in todo.compress for path in (file.path, file.side)):
            if not self._stop.is_set():
                fault = self._compress(path) or fault
        if fault and fault != self._fault:
            logger.warning("full log files are left as they are: %s", fault)
        self._fault = fault

    def _run(self) -> None:
        self.tidy()
        while not self._stop.wait(self._interval):
            self.tidy()

    def _remove(self, file: Full) -> str:
        try:
            for part in file.parts:
                part.unlink(missing_ok=True)
        except OSError as error:
            return str(error)
        logger.info("removed %s", file.path)
        return ""

    def _compress(self, path: Path) -> str:
        try:
            compress_log(path)
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"{path}: {error}"
        return ""
