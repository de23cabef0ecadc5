"""`headrace logs collect` as its own process, on free ports, with a state folder and a log that outlive it."""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx

from tests.processes import START, until
from tests.verb_process import VerbProcess, serving


class Collector(VerbProcess):
    """A running collector, whose every call asks for the token."""

    def client(self, url: str, **options: Any) -> httpx.Client:
        """One that trusts the local authority and shows the token."""
        return super().client(url, **{"headers": self.authorized()} | options)

    def accept(self, *entries: Mapping[str, Any], **headers: str) -> None:
        """Posts entries that are all taken."""
        answer = self.public.post("/", json=list(entries), headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"accepted": len(entries), "refused": 0, "errors": []}

    def until_written(self, count: int, seconds: float = START) -> list[str]:
        """The lines of the log, once there are so many."""
        return until(lambda: found if len(found := lines(self.folder)) >= count else None, seconds, f"{count} lines")


def collector(
    folder: Path, *flags: str, plain: bool = True, environ: Mapping[str, str] | None = None
) -> AbstractContextManager[Collector]:
    """Starts the collector in `folder`, and ends it."""
    return serving(Collector, folder, ("logs", "collect"), *flags, plain=plain, environ=environ)


def lines(folder: Path) -> list[str]:
    """The whole lines of the log so far, its completed files first; one that is being written is none yet."""
    return _text(folder).rpartition("\n")[0].splitlines()


def settled(folder: Path) -> list[str]:
    """All lines of a log that nobody writes to: the last one is whole, too."""
    text = _text(folder)
    assert text == "" or text.endswith("\n"), "half a line"
    return text.splitlines()


def _text(folder: Path) -> str:
    log = folder / "log"
    files = [*sorted(log.glob("log-*.txt")), log / "log.txt"]
    return "".join(file.read_text() for file in files if file.exists())


def late(folder: Path) -> list[str]:
    """The lines that are marked as late."""
    file = folder / "log" / "log.txt.late"
    return file.read_text().splitlines() if file.exists() else []


def entry(
    message: str, *, ago: float = 0.0, level: str = "INFO", source: str = "test", **fields: Any
) -> dict[str, Any]:
    """An entry that was logged `ago` seconds ago."""
    return {"Level": level, "Timestamp": time.time() - ago, "Source": source, "Message": message, **fields}
