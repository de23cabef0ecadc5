"""What it costs to collect an entry, until it is in the file: ours beside syslog-ng.

Ours acknowledges what is synced to its journal, and writes it in the order of the entries' times; syslog-ng
acknowledges nothing and writes what comes as it comes. Counted is until the process has ended and all is in its file.
Where an entry comes by itself, that is compared over syslog, the same bytes to both. Posted it has to be answered, too:
that row has no target, but a floor, which reads a request, answers it and keeps nothing: what it takes is the kernel's.
"""

import contextlib
import functools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.bench.ingest.collector import ONE_CORE, folder
from headrace.bench.ingest.golang import compiled
from headrace.bench.load import read_wrk
from headrace.bench.peer import CONFIGURATIONS, HEADRACE, Template
from headrace.bench.process import Running, cpu_of, running
from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Sample, Scenario
from headrace.bench.tools import GO, SYSLOG_NG, WRK
from headrace.bench.wait import free_port, until_answered, until_open

PATIENCE: Final = 60.0  # seconds until all that was sent is in the file
WINDOW: Final = 2.0  # seconds that entries wait, whatever there is to do
MICROSECONDS: Final = "CPU µs an entry"
ANSWER: Final = '{"accepted": 1, "refused": 0, "errors": []}'


@dataclass(frozen=True)
class Way:
    """How entries are sent: how many in a second of effort, in one call, over how many connections."""

    entries: int
    batch: int
    connections: int


# As many as keep a collector busy for about so long: what it takes once, memory and its end, is little of it then.
BATCHES: Final = Way(entries=600_000, batch=500, connections=8)
SINGLE: Final = Way(entries=10_000, batch=1, connections=50)
LINES: Final = Way(entries=30_000, batch=1, connections=50)


@dataclass(frozen=True)
class Collector:
    """A running process that writes what comes to `port` into files of `folder`."""

    process: Running
    kind: str
    port: int
    folder: Path

    def entries(self) -> int:
        """How many lines there are."""
        files = (path for path in self.folder.iterdir() if not path.name.endswith(".late"))
        return sum(path.read_bytes().count(b"\n") for path in files)

    def late(self) -> int:
        """How many of them came too late for their place."""
        return sum(path.read_bytes().count(b"\n") for path in self.folder.glob("*.late"))


@contextlib.contextmanager
def ours(rig: Rig, kind: str = "post") -> Iterator[Collector]:
    """`headrace logs collect`, with its default settings; entries are posted, or come by "syslog"."""
    with folder(rig) as state:
        port, syslog, admin = free_port(), free_port(), free_port()
        file = state / "log" / "log.txt"
        settings = _filled("logs.toml", state, port=port, syslog=syslog, admin=admin, file=file)
        command = (sys.executable, "-m", "headrace", "logs", "collect", "--settings", str(settings))
        with running("logs", (*command, "--state", str(state)), rig.setting.folder, rig.setting.core) as process:
            until_answered(f"https://127.0.0.1:{admin}/readyz", process)
            yield Collector(process, kind, port if kind == "post" else syslog, state / "log")


@contextlib.contextmanager
def syslog_ng(rig: Rig) -> Iterator[Collector]:
    """syslog-ng, writing lines like ours."""
    with folder(rig) as state:
        port, written = free_port(), state / "log"
        written.mkdir()
        settings = _filled("syslog-ng.conf", state, port=port, file=written / "log.txt")
        own = ("--persist-file", str(state / "persist"), "--pidfile", str(state / "pid"))
        command = (SYSLOG_NG.require(), "-F", "--no-caps", "-f", str(settings), *own, "-c", str(state / "control"))
        with running("syslog-ng", command, rig.setting.folder, rig.setting.core) as process:
            until_open(port, process)
            yield Collector(process, "syslog", port, written)


def collected(start: Callable[[Rig], AbstractContextManager[Collector]], way: Way, rig: Rig) -> Sample:
    """Microseconds of processor time for each entry in the file; one that is missing makes the figure invalid."""
    count = rig.effort.seconds * way.entries
    with start(rig) as collector:
        before = cpu_of([collector.process.pid])
        began = time.monotonic()
        numbers = map(str, (collector.port, count, way.batch, way.connections))
        sender = (sys.executable, "-m", "headrace.bench.logs.sender", collector.kind, *numbers)
        acknowledged = int(rig.generator.run(*sender, seconds=rig.effort.seconds * 10))
        took = time.monotonic() - began
        _until_written(collector, acknowledged)
        used = collector.process.end(PATIENCE) - before
        entries, late = collector.entries(), collector.late()
    note = f"{acknowledged / took / 1e6:.2f} M entries/s, {late} late"
    if entries != acknowledged or acknowledged < count:
        return Sample(0.0, failure=f"{entries} of {acknowledged} entries are in the file, {count} were to be sent")
    return Sample(used.total / entries * 1e6, note=note)


def answered(way: Way, rig: Rig) -> Sample:
    """Microseconds of processor time for each request of a server that reads and answers them, and no more."""
    port, count = free_port(), rig.effort.seconds * way.entries
    command = (compiled("floor"), "-listen", f"127.0.0.1:{port}", "-answer", ANSWER)
    with running("floor", command, rig.setting.folder, rig.setting.core, ONE_CORE) as process:
        until_open(port, process)
        before = cpu_of([process.pid])
        numbers = map(str, (port, count, way.batch, way.connections))
        sender = (sys.executable, "-m", "headrace.bench.logs.sender", "post", *numbers)
        requests = int(rig.generator.run(*sender, seconds=rig.effort.seconds * 10))
        used = cpu_of([process.pid]) - before
    return Sample(used.total / requests * 1e6)


def saturated(rig: Rig) -> Sample:
    """Microseconds of processor time for each entry while as many come as one core takes, until all are in the file.

    One microsecond is a million entries a second of a core that has nothing else to do.
    """
    script = rig.setting.folder / "entries.lua"
    script.write_text(Template((CONFIGURATIONS / script.name).read_text()).substitute(batch=BATCHES.batch))
    seconds = rig.effort.seconds
    load = (WRK.require(), "-t1", f"-c{BATCHES.connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script))
    with ours(rig) as collector:
        before, began = cpu_of([collector.process.pid]), time.monotonic()
        done = read_wrk(rig.generator.run(*load, f"http://127.0.0.1:{collector.port}/", seconds=seconds))
        used = collector.process.end(PATIENCE) - before
        took = time.monotonic() - began - WINDOW
        entries, late = collector.entries(), collector.late()
    acknowledged = done.requests * BATCHES.batch
    if not acknowledged or entries < acknowledged:
        return Sample(0.0, done.errors, failure=f"{entries} of {acknowledged} acknowledged entries are in the file")
    return Sample(used.total / entries * 1e6, done.errors, f"{entries / took / 1e6:.2f} M entries/s, {late} late")


def _until_written(collector: Collector, count: int) -> None:
    """Nobody else tells that syslog-ng has read what was sent."""
    deadline = time.monotonic() + PATIENCE
    while collector.entries() < count and time.monotonic() < deadline:
        time.sleep(0.5)


def _filled(name: str, state: Path, **names: object) -> Path:
    path = state / name
    path.write_text(Template((CONFIGURATIONS / name).read_text()).substitute(names))
    return path


def _scenario(
    name: str, title: str, way: Way, *others: Contestant, kind: str = "post", target: float | None = 0.5
) -> Scenario:
    start = functools.partial(ours, kind=kind)
    headrace = Contestant("headrace", (HEADRACE.tool,), functools.partial(collected, start, way), ours=True)
    peer = Contestant("syslog-ng", (SYSLOG_NG,), functools.partial(collected, syslog_ng, way))
    return Scenario(name, title, MICROSECONDS, (headrace, peer, *others), target=target, against=(peer.name,))


FLOOR: Final = Contestant("floor", (GO,), functools.partial(answered, SINGLE))
COLLECTING = (
    _scenario("logs-batches", "An entry in the file, sent by 500: ours synced and ordered", BATCHES),
    _scenario(
        "logs-syslog",
        "An entry in the file, sent for itself by syslog, 50 connections: ours synced and ordered",
        LINES,
        kind="syslog",
    ),
    _scenario(
        "logs-single",
        "An entry in the file, posted for itself and answered, 50 connections: ours synced and ordered",
        SINGLE,
        FLOOR,
        target=None,
    ),
    Scenario(
        "logs-rate",
        "An entry in the file, sent by 500 and as many as one core takes: synced and ordered",
        MICROSECONDS,
        (Contestant("headrace", (HEADRACE.tool, WRK), saturated, ours=True),),
        limit=1.0,
    ),
)
