"""`headrace cache` as a process of its own."""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.processes import HEADRACE

TOKEN = "of-the-test"


@dataclass
class CacheProcess:
    """A running cache server and how it was started."""

    url: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def cache_process(folder: Path, address: str = "127.0.0.1:0") -> Iterator[CacheProcess]:
    folder.mkdir(exist_ok=True)
    place = ("--address", address, "--admin", "127.0.0.1:0", "--plain", "--json")
    command = (*HEADRACE, "cache", *place, "--token", TOKEN, "--state", str(folder / "state"))
    out, err = (folder / "out").open("wb"), (folder / "err").open("wb")
    with out, err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
    try:
        deadline = time.monotonic() + 60
        while not (lines := (folder / "out").read_text().splitlines()):
            assert process.poll() is None, (folder / "err").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield CacheProcess(json.loads(lines[0])["url"], process)
    finally:
        process.kill()
        process.wait()
