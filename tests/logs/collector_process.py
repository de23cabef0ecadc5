"""`headrace logs collect` as its own process, on free ports, with a state folder and a log that outlive it."""

import contextlib
import json
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.processes import HEADRACE, START, environment, until


class Collector:
    """A running collector: clients of both ports, and its process."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], ready: dict[str, str]) -> None:
        self.folder = folder
        self.process = process
        self.url, self.admin_url = ready["url"], ready["admin"]
        self.ca = folder / "state" / "certs" / "ca.pem"
        self.token = (folder / "state" / "token").read_text().strip()
        self.public = self.client(self.url, http2=True)
        self.admin = self.client(self.admin_url)

    def client(self, url: str, **options: Any) -> httpx.Client:
        """One that trusts the local authority and shows the token."""
        trust = ssl.create_default_context(cafile=str(self.ca))
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=url, verify=trust, trust_env=False, timeout=30, headers=headers, **options)

    def accept(self, *entries: Mapping[str, Any], **headers: str) -> None:
        """Posts entries that are all taken."""
        answer = self.public.post("/", json=list(entries), headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"accepted": len(entries), "refused": 0, "errors": []}

    def status(self) -> dict[str, Any]:
        return self.admin.get("/status").raise_for_status().json()

    def until_written(self, count: int, seconds: float = START) -> list[str]:
        """The lines of the log, once there are so many."""
        return until(lambda: found if len(found := lines(self.folder)) >= count else None, seconds, f"{count} lines")

    def log(self) -> str:
        return (self.folder / "err").read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """The exit code."""
        self.process.send_signal(number)
        return self.process.wait(START)

    def close(self) -> None:
        self.public.close()
        self.admin.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def collector(folder: Path, *flags: str, plain: bool = True, environ: Mapping[str, str] = {}) -> Iterator[Collector]:
    """Starts the collector in `folder`, and ends it."""
    given = " ".join(flags)
    free = [flag for name in ("--address", "--admin") if name not in given for flag in (name, "127.0.0.1:0")]
    own = [*free, *(["--plain"] if plain else []), "--state", str(folder / "state"), "--json"]
    out, err = folder / "out", folder / "err"
    with out.open("wb") as stdout, err.open("ab") as stderr:
        process = subprocess.Popen(
            [*HEADRACE, "logs", "collect", *own, *flags],
            stdout=stdout,
            stderr=stderr,
            cwd=folder,
            env=environment(environ),
        )
    running = None
    try:
        running = Collector(folder, process, json.loads(_ready(process, out, err)))
        yield running
    finally:
        if running:
            running.close()
        process.kill()
        process.wait()
        print(err.read_text()[-4000:])


def _ready(process: subprocess.Popen[bytes], out: Path, err: Path) -> str:
    def line() -> str:
        assert process.poll() is None, err.read_text()
        text = out.read_text()
        return text if text.endswith("\n") else ""

    return until(line, what="ready collector")


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
