"""How long a client waits for its acknowledgement at half of the load that ours bears, accepting alone.

h2load posts at that rate over 64 connections, whatever comes back.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator

from headrace.bench.ingest.collector import Collector, Landing, acceptor, folder, go, service
from headrace.bench.ingest.cost import OURS
from headrace.bench.ingest.posting import post, post_at_rate
from headrace.bench.latency import FALLEN_BEHIND
from headrace.bench.load import CONNECTIONS
from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Sample, Scenario
from headrace.bench.tools import GO, H2LOAD
from headrace.errors import OperationError

Start = Callable[[Rig], contextlib.AbstractContextManager[Collector]]


@functools.cache
def half_load(rig: Rig) -> int:
    """Collections a second."""
    with acceptor(rig) as collector:
        return post(rig.generator, collector.url, 2).requests // 4


def waits(start: Start, rig: Rig) -> Sample:
    """The 99th percentile in milliseconds."""
    rate, seconds = half_load(rig), rig.effort.seconds
    with start(rig) as collector:
        done = post_at_rate(rig.generator, collector.url, seconds, rate, CONNECTIONS)
    if not done.durations:
        raise OperationError(f"no collection was accepted at {rate} a second")
    carried = len(done.durations) / (rate * seconds)
    behind = "" if carried >= FALLEN_BEHIND else f", carried {carried:.0%}"
    note = f"{rate} POST/s, median {done.percentile(50) / 1000:.2f} ms{behind}"
    return Sample(done.percentile(99) / 1000, done.errors, note)


@contextlib.contextmanager
def _landing(rig: Rig) -> Iterator[Collector]:
    with folder(rig) as target, service(rig, Landing(f"file://{target}")) as collector:
        yield collector


LATENCY = Scenario(
    "ingest-latency",
    "99th percentile of the wait for an acknowledgement at half load",
    "ms",
    (
        Contestant("headrace", (*OURS, H2LOAD), functools.partial(waits, acceptor), ours=True),
        Contestant("headrace-landing", (*OURS, H2LOAD), functools.partial(waits, _landing), ours=True),
        Contestant("go", (GO, *OURS, H2LOAD), functools.partial(waits, go)),
    ),
    limit=10.0,
)
