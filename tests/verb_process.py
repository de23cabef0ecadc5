"""A verb that serves as its own process: clients of both its ports, in a folder that outlives it."""

import contextlib
import json
import signal
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.processes import HEADRACE, START, environment, until


class VerbProcess:
    """A running service; `ready` is what its first line told, `token` its state folder's."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], ready: dict[str, str]) -> None:
        self.folder = folder
        self.process = process
        self.ready = ready
        self.url, self.admin_url = ready["url"], ready["admin"]
        self.ca = folder / "state" / "certs" / "ca.pem"
        self.token = (folder / "state" / "token").read_text().strip()
        self.public = self.client(self.url, http2=True)
        self.admin = self.client(self.admin_url, headers=self.authorized())

    def authorized(self) -> dict[str, str]:
        """The header that lets in."""
        return {"Authorization": f"Bearer {self.token}"}

    def client(self, url: str, **options: Any) -> httpx.Client:
        """One that trusts the local authority."""
        trust = ssl.create_default_context(cafile=str(self.ca))
        return httpx.Client(base_url=url, verify=trust, trust_env=False, timeout=30, **options)

    def status(self) -> dict[str, Any]:
        return self.admin.get("/status").raise_for_status().json()

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


Kind = TypeVar("Kind", bound=VerbProcess)


@contextlib.contextmanager
def serving(
    kind: type[Kind], folder: Path, verb: tuple[str, ...], *flags: str, plain: bool, environ: Mapping[str, str] | None
) -> Iterator[Kind]:
    """Starts `headrace VERB FLAGS` in `folder`, on free ports where none are given, and ends it."""
    free = [flag for name in ("--address", "--admin") if name not in flags for flag in (name, "127.0.0.1:0")]
    own = [*free, *(["--plain"] if plain else []), "--state", str(folder / "state"), "--json"]
    out, err = folder / "out", folder / "err"
    with out.open("wb") as stdout, err.open("ab") as stderr:
        process = subprocess.Popen(
            [*HEADRACE, *verb, *own, *flags], stdout=stdout, stderr=stderr, cwd=folder, env=environment(environ)
        )
    running = None
    try:
        running = kind(folder, process, json.loads(_ready(process, out, err)))
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
