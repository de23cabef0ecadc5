"""`headrace serve` as a real process."""

import json
import re
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from tests.processes import HEADRACE, Process, until


class Serve(Process):
    """The process, what it printed, and its workers."""

    def __init__(
        self, arguments: Sequence[str], cwd: Path, folder: Path, name: str, env: Mapping[str, str] | None = None
    ) -> None:
        self.state = folder / "state"
        port = () if {"--port", "--uds"} & set(arguments) else ("--port", "0")
        command = [*HEADRACE, "serve", *arguments, *port, "--state", str(self.state), "--json"]
        super().__init__(command, folder=folder, name=name, env=env, cwd=cwd)

    @property
    def log(self) -> str:
        return self.err.read_text()

    @property
    def urls(self) -> list[str]:
        return json.loads(self.out.read_text().splitlines()[-1])["urls"]

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
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in children.split()]
