"""One process of a run: pinned to a core, measured with all its children, ended whatever happens."""

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import OperationError

TICKS = os.sysconf("SC_CLK_TCK")
GRACE = 5.0  # seconds between asking a process to end and ending it


@dataclass(frozen=True)
class Cpu:
    """Seconds of processor time that processes have used."""

    user: float
    system: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.user + self.system

    def __add__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.user + other.user, self.system + other.system)

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.user - other.user, self.system - other.system)


def family(pid: int) -> list[int]:
    """The process and all below it. Raises `OperationError` when there is no such process."""
    try:
        children = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        children = []
    if not children:
        raise OperationError(f"process {pid} has ended during the measurement")
    return [pid, *(each for child in " ".join(children).split() for each in family(int(child)))]


def cpu_of(pids: Sequence[int]) -> Cpu:
    """What the processes and all below them have used so far (source: proc(5), `/proc/PID/stat`)."""
    used = Cpu(0.0, 0.0)
    for pid in (each for parent in pids for each in family(parent)):
        # The name in parentheses may hold spaces, so fields are counted from behind it.
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        used += Cpu(int(fields[11]) / TICKS, int(fields[12]) / TICKS)
    return used


def memory_of(pid: int) -> int:
    """Bytes that a process and all below it hold, each shared page counted once (proportional set size)."""
    return sum(_proportional(Path(f"/proc/{each}/smaps_rollup").read_text()) for each in family(pid))


def _proportional(rollup: str) -> int:
    return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))


def pinned(command: Sequence[str], core: int) -> list[str]:
    """The command that runs `command` on one core, and that ends when whoever started it does."""
    return ["taskset", "-c", str(core), "setpriv", "--pdeathsig", "TERM", *command]


@dataclass(frozen=True)
class Running:
    """A process that was started here."""

    name: str
    popen: "subprocess.Popen[bytes]"
    log: Path

    @property
    def pid(self) -> int:
        """Its id; what it starts in turn is found below it."""
        return self.popen.pid

    def end(self, patience: float) -> Cpu:
        """Asks it to end, waits, and returns what it has used in all its life, with the children it waited for.

        Raises `OperationError` when it takes longer than `patience` seconds or ends with an error.
        """
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.popen.terminate()
        try:
            code = self.popen.wait(patience)
        except subprocess.TimeoutExpired as error:
            raise OperationError(f"{self.name} did not end within {patience:g} s") from error
        if code:
            raise OperationError(f"{self.name} ended with {code}: {self.said()}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return Cpu(after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime)

    def check(self) -> None:
        """Raises `OperationError` with what it printed last when it has ended."""
        code = self.popen.poll()
        if code is not None:
            raise OperationError(f"{self.name} ended with {code}: {self.said()}")

    def said(self) -> str:
        """The last three lines that it printed."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:]) or "without a word"


@contextlib.contextmanager
def running(
    name: str, command: Sequence[str], folder: Path, core: int, environ: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Runs `command` on `core` while the block lasts; what it prints goes to `folder/name.log`.

    Example: `with running("nginx", ["nginx", "-c", "nginx.conf"], folder, core=0) as nginx: cpu_of([nginx.pid])`.
    """
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        popen = subprocess.Popen(
            pinned(command, core),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environ or {})},
            start_new_session=True,
        )
    try:
        yield Running(name, popen, log)
    finally:
        _end(popen)


def _end(popen: "subprocess.Popen[bytes]") -> None:
    """Asks, waits, and then ends the whole session, so that no worker outlives its parent."""
    popen.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        popen.wait(GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(popen.pid, signal.SIGKILL)
    popen.wait()
