"""`headrace serve` as a real process."""

import contextlib
import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import httpx

START = 60.0  # seconds; only a bound: a busy machine has been seen to take twenty
T = TypeVar("T")


def until(probe: Callable[[], T | None], seconds: float = START, what: str = "that") -> T:
    """The first true answer of `probe`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"no {what} within {seconds:g} s"
        time.sleep(0.01)
    return answer


def free_port(count: int = 1) -> int:
    """The first of `count` free ports in a row, below those that the kernel hands out by itself."""
    for _ in range(100):
        first = random.randrange(20_000, 32_000 - count)
        with contextlib.ExitStack() as sockets, contextlib.suppress(OSError):
            for port in range(first, first + count):
                sockets.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise AssertionError(f"no {count} free ports in a row")


class Serve:
    """The process, what it printed, and its workers."""

    def __init__(
        self, arguments: Sequence[str], cwd: Path, prefix: Path, state: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.state = state
        self._out, self._err = prefix.with_suffix(".out"), prefix.with_suffix(".err")
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
        port = () if {"--port", "--uds"} & set(arguments) else ("--port", "0")
        command = [sys.executable, "-m", "headrace", "serve", *arguments, *port, "--state", str(state), "--json"]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.popen = subprocess.Popen(
                command, cwd=cwd, env=clean | dict(env or {}), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True,
            )  # fmt: skip

    @property
    def log(self) -> str:
        return self._err.read_text()

    @property
    def urls(self) -> list[str]:
        return json.loads(self._out.read_text().splitlines()[-1])["urls"]

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self.popen.poll() is None, self.log
            return self._out.read_text().endswith("\n")

        until(ready, what="ready line")

    def wait_log(self, pattern: str, count: int = 1) -> None:
        until(lambda: len(re.findall(pattern, self.log)) >= count, what=f"{pattern!r} in the log")

    def client(self, number: int = 0) -> httpx.Client:
        url = self.urls[number]
        if url.startswith("unix:"):
            transport = httpx.HTTPTransport(uds=url.removeprefix("unix:"))
            return httpx.Client(base_url="http://localhost", transport=transport, timeout=30)
        verify = ssl.create_default_context(cafile=self.state / "certs" / "ca.pem") if url.startswith("https") else True
        return httpx.Client(base_url=url, verify=verify, timeout=30, trust_env=False)

    def get(self, path: str = "/", number: int = 0) -> httpx.Response:
        with self.client(number) as client:
            return client.get(path)

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 30.0) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(seconds)

    def end(self, seconds: float = START) -> int:
        """Waits until it ends by itself."""
        return self.popen.wait(seconds)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
