"""A balancer and its app servers as real processes that share one state folder."""

import ssl
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from tests.processes import HEADRACE, START, Process, free_port, until

APPS = Path(__file__).parent / "apps"
SITE = Path(__file__).parent / "django_site"
LAST_WORDS = 4000  # characters


class Stack:
    """Starts `headrace balance` and `headrace serve` in one folder; `close` ends what still runs.

    The balancer's ports are chosen once, so that a restarted one is where it was. `env` is all processes'.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.processes: list[Process] = []
        self.env: dict[str, str] = {}
        self.port = free_port(2)
        self.admin_url = f"https://127.0.0.1:{self.port + 1}"
        self.url = f"https://localhost:{self.port}"

    def start(self, name: str, *command: str, env: Mapping[str, str] | None = None, cwd: Path = APPS) -> Process:
        number = sum(process.name.startswith(name) for process in self.processes)
        own = self.env | dict(env or {})
        process = Process(command, folder=self.folder, name=f"{name}-{number}", env=own, cwd=cwd)
        self.processes.append(process)
        return process

    def balance(self, *flags: str, **settings: object) -> Process:
        """A balancer that listens; `settings` are keys of `[balancer]`."""
        if "--plain" in flags:
            self.url = f"http://localhost:{self.port}"
        addresses = ("--address", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.port + 1}")
        env = {f"HEADRACE_BALANCER_{key.upper()}": str(value) for key, value in settings.items()}
        command = (*HEADRACE, "balance", "--state", str(self.state), *addresses, *flags)
        process = self.start("balance", *command, env=env)
        process.wait_for_line("https?://")
        return process

    def serve(
        self, app: str, *flags: str, workers: int = 1, port: int = 0, env: Mapping[str, str] | None = None,
        cwd: Path = APPS, join: bool = True,
    ) -> Process:  # fmt: skip
        """App servers for `app` that listen and, with `join`, are up in the balancer."""
        port = port or free_port(workers)
        shape = ("--port", str(port), "--workers", str(workers), "--balancer", self.admin_url)
        before = len(self.up()) if join else 0
        process = self.start(
            "serve", *HEADRACE, "serve", app, "--state", str(self.state), *shape, *flags, env=env, cwd=cwd
        )
        process.wait_for_line("https?://|unix:")
        if join:
            self.wait_until_up(before + workers)
        return process

    @property
    def ca(self) -> Path:
        return self.state / "certs" / "ca.pem"

    @property
    def trust(self) -> ssl.SSLContext:
        """What a client needs to verify the balancer and its admin port; a new one each time, as clients change it."""
        return ssl.create_default_context(cafile=str(self.ca))

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, verify=self.trust, timeout=30, trust_env=False, **options)

    @cached_property
    def admin(self) -> httpx.Client:
        token = (self.state / "token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.admin_url, verify=self.trust, headers=headers, timeout=30, trust_env=False)

    def servers(self) -> list[dict[str, Any]]:
        return self.admin.get("/servers").raise_for_status().json()

    def up(self) -> list[dict[str, Any]]:
        return [server for server in self.servers() if server["state"] == "up"]

    def wait_until_up(self, count: int) -> None:
        until(lambda: len(self.up()) >= count, START, f"{count} app servers")

    def close(self) -> None:
        """Ends all; what each said last is shown beside a test that failed."""
        for process in self.processes:
            process.kill()
            print(process.output()[-LAST_WORDS:])
        if "admin" in self.__dict__:
            self.admin.close()
