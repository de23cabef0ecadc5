"""What it costs the server to give a value: ours beside Redis, one request at a time on each of 64 connections.

Ours speaks HTTP and checks a token; Redis has its own protocol and is open. Each has the generator that is usual for
it.
"""

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from typing import Final

import httpx

from headrace.bench.load import CONNECTIONS, read_wrk
from headrace.bench.peer import HEADRACE
from headrace.bench.process import Running, cpu_of, running
from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Sample, Scenario
from headrace.bench.tools import REDIS, REDIS_BENCHMARK, WRK
from headrace.bench.wait import free_port, until_answered, until_open

VALUE: Final = b"x" * 1024
TOKEN: Final = "of-the-bench"  # noqa: S105 - of a cache that lives for seconds
A_SECOND: Final = 50_000  # requests for each second of effort: redis-benchmark is told how many, not how long


@contextlib.contextmanager
def ours(rig: Rig) -> Iterator[tuple[Running, str]]:
    """`headrace cache` on one thread, with a value; where it is got."""
    with tempfile.TemporaryDirectory(dir=rig.setting.folder) as state:
        port, admin = free_port(), free_port()
        where = ("--address", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}", "--plain", "--threads", "1")
        command = (sys.executable, "-m", "headrace", "cache", *where, "--token", TOKEN, "--state", state)
        with running("cache", command, rig.setting.folder, rig.setting.core) as process:
            until_answered(f"https://127.0.0.1:{admin}/readyz", process)
            url = f"http://127.0.0.1:{port}/?key=post:3"
            headers = {"Authorization": f"Bearer {TOKEN}", "Cache-Control": "max-age=3600"}
            httpx.put(url, content=VALUE, headers=headers, trust_env=False).raise_for_status()
            yield process, url


@contextlib.contextmanager
def redis(rig: Rig) -> Iterator[tuple[Running, int]]:
    """Redis, that keeps nothing on disk; its port."""
    port = free_port()
    own = (
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        str(rig.setting.folder),
    )
    with running("redis", (REDIS.require(), *own), rig.setting.folder, rig.setting.core) as process:
        until_open(port, process)
        yield process, port


def get_ours(rig: Rig) -> Sample:
    """Microseconds of processor time for a GET of ours."""
    seconds = rig.effort.seconds
    with ours(rig) as (process, url):
        pace = ("-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-H", f"Authorization: Bearer {TOKEN}")
        before = cpu_of([process.pid])
        load = read_wrk(rig.generator.run(WRK.require(), *pace, url, seconds=seconds))
        used = cpu_of([process.pid]) - before
    return Sample(used.total / load.requests * 1e6, load.errors, f"{load.requests / seconds / 1000:.0f} k GET/s")


def get_redis(rig: Rig) -> Sample:
    """Microseconds of processor time for a GET of Redis'."""
    count = rig.effort.seconds * A_SECOND
    with redis(rig) as (process, port):
        common = (REDIS_BENCHMARK.require(), "-p", str(port), "-d", str(len(VALUE)), "-q")
        rig.generator.run(*common, "-t", "set", "-n", "1", "-c", "1")
        before = cpu_of([process.pid])
        pace = ("-t", "get", "-n", str(count), "-c", str(CONNECTIONS), "-P", "1")
        said = rig.generator.run(*common, *pace, seconds=rig.effort.seconds * 10)
        used = cpu_of([process.pid]) - before
    rate = said.replace("\r", "\n").strip().splitlines()[-1].split(" requests per second")[0].rpartition(" ")[2]
    return Sample(used.total / count * 1e6, note=f"{float(rate) / 1000:.0f} k GET/s")


SERVING = (
    Scenario(
        "cache-get",
        f"GET of a value of 1 KB at the cache server, {CONNECTIONS} connections, one request at a time on each",
        "CPU µs a GET",
        (
            Contestant("headrace", (HEADRACE.tool, WRK), get_ours, ours=True),
            Contestant("redis", (REDIS, REDIS_BENCHMARK), get_redis),
        ),
        target=1.2,
    ),
)
