"""Real processes: started in a session of their own, waited for by what they print, ended for certain."""

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import headrace

HEADRACE = (sys.executable, "-m", "headrace")
SETTINGS = ("HEADRACE_", "MAX_", "AWS_")
START = 60.0  # seconds; only a bound: interpreters start in one, but a busy machine has been seen to take twenty

T = TypeVar("T")


def until(probe: Callable[[], T | None], seconds: float = START, what: str = "that") -> T:
    """The first true answer of `probe`, asked every 20 ms; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {seconds:g} s")
        time.sleep(0.02)
    return answer


def free_port(count: int = 1) -> int:
    """The first of `count` consecutive ports that nobody has, below those the kernel hands out by itself."""
    for _ in range(100):
        first = random.randrange(20_000, 32_000 - count)
        with contextlib.ExitStack() as sockets, contextlib.suppress(OSError):
            for port in range(first, first + count):
                sockets.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise AssertionError(f"no {count} free ports in a row")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without settings of headrace, and `extra`; the package is found where it was here."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    return kept | {"PYTHONPATH": str(Path(headrace.__file__).parent.parent)} | dict(extra or {})


class Process:
    """A program whose output goes to files in `folder`."""

    def __init__(
        self, command: Sequence[str], *, folder: Path, name: str, env: Mapping[str, str] | None = None, cwd: Path
    ) -> None:
        self.name = name
        self.out, self.err = folder / f"{name}.out", folder / f"{name}.err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.popen = subprocess.Popen(
                command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=environment(env), cwd=cwd,
                start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self.popen.pid

    def output(self) -> str:
        return f"{self.name}: {self.out.read_text()}{self.err.read_text()}"

    def wait_for_line(self, pattern: str) -> str:
        """The line of standard output that `pattern` is found in, once it is whole."""

        def line() -> str | None:
            lines = [line for line in self.out.read_text().splitlines(keepends=True) if line.endswith("\n")]
            found = next((line for line in lines if re.search(pattern, line)), None)
            if found is None and self.popen.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.popen.returncode}\n{self.output()}")
            return found

        return until(line, START, f"line like {pattern!r} from {self.name}")

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def stop(self, seconds: float = 20.0) -> int:
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return self.end(seconds)

    def end(self, seconds: float = START) -> int:
        """The exit code, once it ended by itself."""
        return self.popen.wait(seconds)

    def kill(self) -> None:
        """SIGKILL to it and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()

    def family(self) -> list[int]:
        """It and what it started, by process id."""
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if self._leads(int(entry.name))]

    def memory(self) -> int:
        """Resident bytes of the whole family."""
        return sum(map(resident, self.family()))

    def _leads(self, pid: int) -> bool:
        with contextlib.suppress(ProcessLookupError):
            return os.getsid(pid) == self.pid
        return False


def resident(pid: int) -> int:
    """Resident bytes of a process; 0 when it is gone."""
    with contextlib.suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0


def run(*arguments: str, folder: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`headrace` with `arguments`, to its end."""
    return subprocess.run(
        [*HEADRACE, *arguments], cwd=folder, env=environment(env), capture_output=True, text=True, timeout=START,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
