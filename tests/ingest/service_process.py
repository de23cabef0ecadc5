"""`headrace ingest` as its own process, on free ports, with a state folder and a target that outlive it."""

import contextlib
import gzip
import json
import signal
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.processes import HEADRACE, START, environment, until


class Ingest:
    """A running service: clients of both ports, and its process."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], ready: dict[str, str]) -> None:
        self.folder = folder
        self.process = process
        self.url, self.admin_url = ready["url"], ready["admin"]
        self.ca = folder / "state" / "certs" / "ca.pem"
        token = (folder / "state" / "token").read_text().strip()
        self.public = self.client(self.url, http2=True)
        self.admin = self.client(self.admin_url, headers={"Authorization": f"Bearer {token}"})

    def client(self, url: str, **options: Any) -> httpx.Client:
        """One that trusts the local authority."""
        trust = ssl.create_default_context(cafile=str(self.ca))
        return httpx.Client(base_url=url, verify=trust, trust_env=False, timeout=30, **options)

    def post(self, *payloads: Any, path: str = "/", token: str = "", headers: Mapping[str, str] = {}) -> httpx.Response:
        body = {"version": "1", "token": token, "data": list(payloads)}
        return self.public.post(path, json=body, headers=dict(headers))

    def accept(self, *payloads: Any, path: str = "/") -> dict[str, Any]:
        """What was answered to a collection that is accepted."""
        answer = self.post(*payloads, path=path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def status(self) -> dict[str, Any]:
        return self.admin.get("/status").raise_for_status().json()

    def until_landed(self, seconds: float = START) -> None:
        """Nothing waits any more."""
        until(lambda: self.status()["queue"] == 0, seconds, "empty queue")

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
def ingest(
    folder: Path, *flags: str, environ: Mapping[str, str] | None = None, plain: bool = True, to: str = "./landed"
) -> Iterator[Ingest]:
    """Starts the service in `folder`, and ends it; batches are young when they land."""
    given = " ".join(flags)
    free = [flag for name in ("--address", "--admin") if name not in given for flag in (name, "127.0.0.1:0")]
    young = [] if "--batch-age" in given or "HEADRACE_INGEST_BATCH_AGE" in (environ or {}) else ["--batch-age", "50ms"]
    target = [] if "HEADRACE_INGEST_TO" in (environ or {}) else ["--to", to]
    own = [*free, *young, *target, *(["--plain"] if plain else []), "--state", str(folder / "state"), "--json"]
    out, err = folder / "out", folder / "err"
    with out.open("wb") as stdout, err.open("ab") as stderr:
        process = subprocess.Popen(
            [*HEADRACE, "ingest", *own, *flags], stdout=stdout, stderr=stderr, cwd=folder, env=environment(environ)
        )
    running = None
    try:
        running = Ingest(folder, process, json.loads(_ready(process, out, err)))
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

    return until(line, what="ready service")


def objects(folder: Path, stream: str = "") -> dict[str, bytes]:
    """The objects that landed, by key."""
    root = folder / "landed" / stream
    files = [path for path in root.rglob("*") if path.is_file()] if root.exists() else []
    return {path.relative_to(folder / "landed").as_posix(): path.read_bytes() for path in files}


def payloads(folder: Path, stream: str = "") -> list[Any]:
    """Every payload in them, in order of the keys."""
    lines = (gzip.decompress(data).splitlines() for _, data in sorted(objects(folder, stream).items()))
    return [json.loads(line) for lines_of_one in lines for line in lines_of_one]
