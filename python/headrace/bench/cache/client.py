"""What a get costs the program that makes it: ours against `headrace cache`, redis-py against Redis."""

import contextlib
import functools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final

from headrace.bench.cache.serving import TOKEN, VALUE, ours, redis
from headrace.bench.peer import HEADRACE
from headrace.bench.process import pinned
from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Sample, Scenario
from headrace.bench.tools import REDIS, REDIS_BENCHMARK, REDIS_PY
from headrace.errors import OperationError

PATIENCE: Final = 60  # seconds for a program to start and to end


@contextlib.contextmanager
def our_url(rig: Rig) -> Iterator[str]:
    """Where `headrace cache` is, with a value in it."""
    with ours(rig) as (_, url):
        yield url.partition("/?")[0]


@contextlib.contextmanager
def redis_url(rig: Rig) -> Iterator[str]:
    """Where Redis is, with a value in it."""
    with redis(rig) as (_, port):
        set_ = f"import redis; redis.Redis(port={port}).set('post:3', b'x' * {len(VALUE)})"
        subprocess.run([sys.executable, "-c", set_], check=True, timeout=PATIENCE)
        yield f"redis://127.0.0.1:{port}"


def get(figure: str, kind: str, place: Callable[[Rig], AbstractContextManager[str]], rig: Rig) -> Sample:
    """A figure of `getter.py`, on the core that the server doesn't have."""
    with place(rig) as url:
        command = [sys.executable, "-m", "headrace.bench.cache.getter", kind, url, TOKEN, str(rig.effort.seconds)]
        done = subprocess.run(
            pinned(command, rig.generator.core),
            capture_output=True,
            text=True,
            timeout=rig.effort.seconds + PATIENCE,
            check=False,
        )
    if done.returncode:
        raise OperationError(f"the program that gets ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    return Sample(json.loads(done.stdout)[figure])


def _scenario(name: str, title: str, figure: str, way: str, target: float | None) -> Scenario:
    tools = (REDIS, REDIS_BENCHMARK, REDIS_PY)
    unit = "CPU µs a get" if figure == "cpu" else "µs a get"
    headrace = Contestant(
        "headrace", (HEADRACE.tool,), functools.partial(get, figure, f"headrace{way}", our_url), ours=True
    )
    peer = Contestant("redis-py", tools, functools.partial(get, figure, f"redis{way}", redis_url))
    floor = Contestant("floor", (), functools.partial(get, figure, "floor", our_url))
    contestants = (headrace, peer) if way else (headrace, peer, floor)
    return Scenario(name, title, unit, contestants, target=target, against=("redis-py",))


CLIENT = (
    _scenario("cache-client", "A get of 1 KB from a thread: time", "wall", "", 0.65),
    _scenario("cache-client-cpu", "A get of 1 KB from a thread: processor time of the program", "cpu", "", 0.35),
    _scenario("cache-aclient", "A get of 1 KB, 50 tasks of an event loop at once: time", "wall", "-async", None),
    _scenario(
        "cache-aclient-cpu", "A get of 1 KB, 50 tasks at once: processor time of the program", "cpu", "-async", None
    ),
)
