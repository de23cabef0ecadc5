"""What a value costs: at the cache server, and in memory by a call of a decorated function."""

import functools
import json
import subprocess
import sys

from headrace.bench.cache.client import CLIENT
from headrace.bench.cache.serving import SERVING
from headrace.bench.process import pinned
from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Sample, Scenario
from headrace.bench.tools import AIOCACHE, CACHETOOLS, CASHEWS, DOGPILE, Tool
from headrace.errors import OperationError

PATIENCE = 60  # seconds for a program to start and to end


def call(kind: str, library: str, rig: Rig) -> Sample:
    """Microseconds of a call by `caller.py`."""
    command = [sys.executable, "-m", "headrace.bench.cache.caller", kind, library, str(rig.effort.seconds)]
    done = subprocess.run(
        pinned(command, rig.setting.core),
        capture_output=True,
        text=True,
        timeout=rig.effort.seconds + PATIENCE,
        check=False,
    )
    if done.returncode:
        raise OperationError(f"the program that calls ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    return Sample(json.loads(done.stdout))


def _contestants(kind: str, peers: dict[str, Tool]) -> tuple[Contestant, ...]:
    ours = Contestant("headrace", (), functools.partial(call, kind, "headrace"), ours=True)
    return (ours, *(Contestant(name, (tool,), functools.partial(call, kind, name)) for name, tool in peers.items()))


CACHE = (
    *SERVING,
    *CLIENT,
    Scenario(
        "cache-decorator",
        "A call of a decorated function, its value in memory",
        "µs",
        _contestants("sync", {"cachetools": CACHETOOLS, "dogpile.cache": DOGPILE}),
        target=1.0,
    ),
    Scenario(
        "cache-decorator-async",
        "A call of a decorated coroutine function, its value in memory",
        "µs",
        _contestants("async", {"aiocache": AIOCACHE, "cashews": CASHEWS}),
        target=1.0,
    ),
)
