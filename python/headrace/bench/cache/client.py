"""What a get costs the program that makes it: ours against `headrace cache`, redis-py against Redis.

The program and its server take turns on one core, so that what is compared is their work. A call to a server on another
core wakes that core, which in a virtual machine takes longer than all the rest: the rows `cache-apart` state it.
"""

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
from headrace.bench.tools import REDIS, REDIS_BENCHMARK, REDIS_PY, Tool
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


def get(
    figure: str, kind: str, place: Callable[[Rig], AbstractContextManager[str]], rig: Rig, *, apart: bool = False
) -> Sample:
    """A figure of `getter.py`, on the server's core or on another one."""
    with place(rig) as url:
        command = [sys.executable, "-m", "headrace.bench.cache.getter", kind, url, TOKEN, str(rig.effort.seconds)]
        done = subprocess.run(
            pinned(command, rig.generator.core if apart else rig.setting.core),
            capture_output=True,
            text=True,
            timeout=rig.effort.seconds + PATIENCE,
            check=False,
        )
    if done.returncode:
        raise OperationError(f"the program that gets ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    return Sample(json.loads(done.stdout)[figure])


def _scenario(
    name: str, title: str, figure: str, way: str = "", *, apart: bool = False, target: float | None = None
) -> Scenario:
    unit = "CPU µs a get" if figure == "cpu" else "µs a get"

    def contestant(
        name: str,
        kind: str,
        place: Callable[[Rig], AbstractContextManager[str]],
        tools: tuple[Tool, ...] = (),
        *,
        ours: bool = False,
    ) -> Contestant:
        return Contestant(name, tools, functools.partial(get, figure, kind, place, apart=apart), ours)

    headrace = contestant("headrace", f"headrace{way}", our_url, (HEADRACE.tool,), ours=True)
    peer = contestant("redis-py", f"redis{way}", redis_url, (REDIS, REDIS_BENCHMARK, REDIS_PY))
    floor = () if way else (contestant("floor", "floor", our_url),)
    return Scenario(name, title, unit, (headrace, peer, *floor), target=target, against=(peer.name,))


CLIENT = (
    _scenario("cache-client", "A get of 1 KB from a thread: time", "wall", target=0.65),
    _scenario("cache-client-cpu", "A get of 1 KB from a thread: processor time of the program", "cpu", target=0.35),
    _scenario("cache-apart", "The same, the server on another core: time", "wall", apart=True),
    _scenario("cache-apart-cpu", "The same: processor time of the program", "cpu", apart=True),
    _scenario("cache-aclient", "A get of 1 KB, 50 tasks of an event loop at once: time", "wall", "-async"),
    _scenario("cache-aclient-cpu", "A get of 1 KB, 50 tasks at once: processor time of the program", "cpu", "-async"),
)
