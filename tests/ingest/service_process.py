"""`headrace ingest` as its own process, on free ports, with a state folder and a target that outlive it."""

import gzip
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx

from tests.processes import START, until
from tests.verb_process import VerbProcess, serving


class Ingest(VerbProcess):
    """A running service, whose public port asks for no token."""

    def post(self, *payloads: Any, path: str = "/", token: str = "", headers: Mapping[str, str] = {}) -> httpx.Response:
        body = {"version": "1", "token": token, "data": list(payloads)}
        return self.public.post(path, json=body, headers=dict(headers))

    def accept(self, *payloads: Any, path: str = "/") -> dict[str, Any]:
        """What was answered to a collection that is accepted."""
        answer = self.post(*payloads, path=path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until_landed(self, seconds: float = START) -> None:
        """Nothing waits any more."""
        until(lambda: self.status()["queue"] == 0, seconds, "empty queue")


def ingest(
    folder: Path, *flags: str, environ: Mapping[str, str] | None = None, plain: bool = True, to: str = "./landed"
) -> AbstractContextManager[Ingest]:
    """Starts the service in `folder`, and ends it; batches are young when they land."""
    young = [] if "--batch-age" in flags or "HEADRACE_INGEST_BATCH_AGE" in (environ or {}) else ["--batch-age", "50ms"]
    target = [] if "HEADRACE_INGEST_TO" in (environ or {}) else ["--to", to]
    return serving(Ingest, folder, ("ingest",), *young, *target, *flags, plain=plain, environ=environ)


def objects(folder: Path, stream: str = "") -> dict[str, bytes]:
    """The objects that landed, by key."""
    root = folder / "landed" / stream
    files = [path for path in root.rglob("*") if path.is_file()] if root.exists() else []
    return {path.relative_to(folder / "landed").as_posix(): path.read_bytes() for path in files}


def payloads(folder: Path, stream: str = "") -> list[Any]:
    """Every payload in them, in order of the keys."""
    lines = (gzip.decompress(data).splitlines() for _, data in sorted(objects(folder, stream).items()))
    return [json.loads(line) for lines_of_one in lines for line in lines_of_one]
