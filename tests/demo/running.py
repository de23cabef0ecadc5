"""A whole demo as a process, with all that it starts."""

import contextlib
import os
import secrets
import signal
import ssl
import subprocess
from pathlib import Path

import httpx

from tests.processes import HEADRACE, environment, until

PARTS = ("", "admin-", "blog-", "data-", "cache-", "logs-")
FREE_PORTS = tuple(word for part in PARTS for word in (f"--{part}port", "0"))
START = 60.0  # seconds; two cores may carry a lot beside it
MARK = "HEADRACE_DEMO_MARK"


class Demo:
    """`headrace demo` in `folder`; `close` ends what is left of it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.state = folder / "state"
        self.mark = secrets.token_hex(8)
        self.out, self.err = folder / f"{self.mark}.out", folder / f"{self.mark}.err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [*HEADRACE, "demo", "--state", self.state, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env=environment({MARK: self.mark, "HOME": str(folder)}),
            )

    @property
    def url(self) -> str:
        """Where the blog is, once it is."""
        return self.wait_for("demo ready: ").split()[-1]

    def wait_for(self, text: str) -> str:
        """The line of standard output that holds `text`."""

        def line():
            assert self.process.poll() is None, self.lines()
            return next((line for line in self.out.read_text().splitlines(keepends=True) if text in line), "")

        return until(lambda: line().endswith("\n") and line(), START, f"line with {text!r}")

    def lines(self) -> str:
        return self.out.read_text() + self.err.read_text()

    def client(self, *, reload: bool = True, **options) -> httpx.Client:
        """A browser that reloads each page, so that an app server is asked whatever the edge has."""
        url = self.url
        trust = ssl.create_default_context(cafile=str(self.state / "certs" / "ca.pem"))
        headers = {"Cache-Control": "no-cache"} if reload else {}
        return httpx.Client(base_url=url, verify=trust, headers=headers, trust_env=False, timeout=30, **options)

    def family(self, **environment: str) -> list[int]:
        """The processes that run for it and whose environment holds `environment`; zombies don't run."""
        wanted = {f"{name}={value}" for name, value in {MARK: self.mark, **environment}.items()}
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if wanted <= _environment(entry)]

    def part(self, verb: str, app: str = "") -> int:
        """The process that the demo started as `headrace VERB`, for `app` where there are several."""
        (pid,) = (
            pid for pid in self.family() if f"\0headrace\0{verb}\0{app}" in Path(f"/proc/{pid}/cmdline").read_text()
        )
        return pid

    def wait(self, seconds: float = START) -> int:
        return self.process.wait(seconds)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait_until_gone(self) -> None:
        until(lambda: not self.family(), 45, "end of what the demo started")

    def close(self) -> None:
        for pid in self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def _environment(entry: Path) -> set[str]:
    try:
        return set((entry / "environ").read_text(errors="replace").split("\0"))
    except OSError:
        return set()
