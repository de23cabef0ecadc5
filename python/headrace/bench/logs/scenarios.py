"""What a log call costs the program that makes it, by where it goes."""

import contextlib
import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from headrace.bench.logs.collecting import COLLECTING
from headrace.bench.process import pinned, running
from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Sample, Scenario
from headrace.bench.tools import LOKI
from headrace.bench.wait import free_port, until_open
from headrace.errors import OperationError

SLOW = 1.0  # seconds that a slow collector takes for an answer
PATIENCE = 120  # seconds for a program to start and to end


@contextlib.contextmanager
def sink(rig: Rig, delay: float) -> Iterator[str]:
    """The URL of a collector on the core of the load."""
    port = free_port()
    command = [sys.executable, "-m", "headrace.bench.logs.sink", str(port), str(delay)]
    with running("sink", command, rig.setting.folder, rig.generator.core) as process:
        until_open(port, process)
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def nobody(_: Rig) -> Iterator[str]:
    """A URL at which nobody answers."""
    yield f"http://127.0.0.1:{free_port()}"


def call(figure: str, kind: str, delay: float | None, rig: Rig) -> Sample:
    """A figure of `caller.py` with a collector that takes `delay` seconds for an answer; None: it is away."""
    where = nobody(rig) if delay is None else sink(rig, delay)
    with where as url, tempfile.TemporaryDirectory(dir=rig.setting.folder) as folder:
        command = [sys.executable, "-m", "headrace.bench.logs.caller", kind, url, folder, str(rig.effort.seconds)]
        done = subprocess.run(
            pinned(command, rig.setting.core),
            capture_output=True,
            text=True,
            timeout=rig.effort.seconds + PATIENCE,
            check=False,
            cwd=Path(folder),
        )
    if done.returncode:
        raise OperationError(f"the program that logs ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    told = json.loads(done.stdout)
    return Sample(told[figure], note=f"99.9th percentile {told['tail']:.1f} µs" if figure == "added" else "")


def _contestants(figure: str) -> tuple[Contestant, ...]:
    def one(name: str, kind: str, delay: float | None = 0.0) -> Contestant:
        tools = (LOKI,) if kind == "loki" else ()
        return Contestant(name, tools, functools.partial(call, figure, kind, delay), ours=kind == "headrace")

    return (
        one("headrace", "headrace"),
        one("headrace-slow", "headrace", SLOW),
        one("headrace-away", "headrace", None),
        one("file", "file"),
        one("queue", "queue"),
        one("loki", "loki"),
    )


NOTHING = Contestant("null", (), functools.partial(call, "tail", "null", None))
HANDLERS = (
    Scenario(
        "logs-handler", "What a handler adds to a log call", "µs", _contestants("added"), target=0.5, against=("file",)
    ),
    Scenario(
        "logs-handler-tail",
        "99.9th percentile of a log call",
        "µs",
        (*_contestants("tail"), NOTHING),
        against=("file",),
    ),
)
LOGS = (*HANDLERS, *COLLECTING)
