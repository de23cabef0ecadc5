"""Load of collections: wrk posts as fast as it is answered, h2load posts a number of them, or at a rate."""

import re
from dataclasses import dataclass

from headrace.bench.ingest.bodies import write_collection, write_collections
from headrace.bench.load import CONNECTIONS, Generator, Load, Paced, read_h2load, read_wrk
from headrace.bench.peer import CONFIGURATIONS, Template
from headrace.bench.tools import H2LOAD, WRK
from headrace.errors import OperationError

UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000}


@dataclass(frozen=True)
class Posted(Load):
    """What wrk counted in `seconds`, and two percentiles of the time until an answer, in microseconds."""

    seconds: int
    p50: float
    p99: float

    def note(self) -> str:
        """In words."""
        rate = self.requests * 60 / self.seconds / 1e6
        return f"{rate:.2f} M POST/min, answered in {self.p50 / 1000:.1f} ms, 99th percentile {self.p99 / 1000:.1f} ms"


def post(generator: Generator, url: str, seconds: int, *, connections: int = CONNECTIONS, pause: int = 0) -> Posted:
    """Keeps a POST under way on each connection, each a different collection; `pause` in milliseconds slows it."""
    names = {"collections": write_collections(generator.folder), "pause": pause}
    script = generator.folder / "collections.lua"
    script.write_text(Template((CONFIGURATIONS / script.name).read_text()).substitute(names))
    pace = ("-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency")
    told = generator.run(WRK.require(), *pace, "-s", str(script), url, seconds=seconds)
    done = read_wrk(told)
    return Posted(done.requests, done.errors, seconds, _percentile(told, 50), _percentile(told, 99))


def post_count(generator: Generator, url: str, count: int, patience: int) -> Load:
    """Posts `count` collections; raises `OperationError` when it takes more than `patience` seconds."""
    pace = ("--h1", f"-n{count}", f"-c{CONNECTIONS}")
    return read_h2load(generator.run(H2LOAD.require(), *pace, *_posting(generator), url, seconds=patience))


def post_at_rate(generator: Generator, url: str, seconds: int, rate: int, connections: int) -> Paced:
    """Posts `rate` collections a second, whether or not the ones before were answered."""
    return generator.at_rate(url, seconds, rate, connections=connections, options=_posting(generator))


def _posting(generator: Generator) -> tuple[str, ...]:
    return ("-d", str(write_collection(generator.folder)), "-H", "Content-Type: application/json")


def _percentile(told: str, percent: int) -> float:
    """What wrk says of a percentile, in microseconds."""
    found = re.search(rf"^\s*{percent}%\s+([\d.]+)(us|ms|s|m)$", told, re.MULTILINE)
    if not found:
        raise OperationError(f"wrk's report says nothing of {percent} %", hint=told.strip()[-200:])
    return float(found.group(1)) * UNITS[found.group(2)]
