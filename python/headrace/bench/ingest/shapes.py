"""What becomes of the usual shapes when more is posted than they can upload, beside ours in the same place.

Collections come at a fixed rate, and each upload takes the store 20 ms, of which it does 64 at once: 3,200 uploads a
second, where 6,000 payloads come. A goroutine for each payload answers at once and grows without bound, and so does a
pool whose dispatcher starts one for each job. One consumer stands behind a channel that is soon full, and so does, some
seconds later, a pool whose dispatcher waits for its workers; from then on their clients wait. Ours keeps payloads on
disk and uploads them by the thousand.

A wait counts from when the collection should have been posted: clients that are held up post late, and that they do
is the service's doing.
"""

import functools
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final

from headrace.bench.ingest.collector import Collector, Landing, Shape, go, service
from headrace.bench.ingest.cost import OURS
from headrace.bench.ingest.posting import post_at_rate
from headrace.bench.ingest.store import BUCKET, Store, store
from headrace.bench.ingest.watch import watched
from headrace.bench.load import CONNECTIONS
from headrace.bench.process import memory_of
from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Sample, Scenario
from headrace.bench.tools import GO, H2LOAD
from headrace.errors import OperationError

RATE: Final = 2000  # collections a second
DELAY: Final = 0.02  # seconds that an upload takes
UPLOADS: Final = 64  # that the store does at once, and that the pool has workers for
LONG: Final = 5  # times the effort's seconds
LOOK: Final = 0.5  # seconds between two looks at the memory
MIB: Final = 1 << 20

Start = Callable[[Rig, Store], AbstractContextManager[Collector]]


def waits(start: Start, rig: Rig) -> Sample:
    """The 99th percentile of the waits in milliseconds, and both figures by the second."""
    seconds = rig.effort.seconds * LONG
    with store(rig, delay=DELAY, most=UPLOADS) as target, start(rig, target) as collector:
        pid = collector.process.pid
        with watched(lambda: {"memory, MiB": memory_of(pid) / MIB}, LOOK) as series:
            done = post_at_rate(rig.generator, collector.url, seconds, RATE, CONNECTIONS)
    if not done.requests:
        raise OperationError(f"no collection was accepted at {RATE} a second")
    answers = answered(done.requests)
    most = max((value for _, value in series.get("memory, MiB", ())), default=0.0)
    note = f"{len(answers) / (RATE * seconds):.0%} answered in time, memory up to {most:.0f} MiB"
    by_second = waits_by_second(answers, RATE, seconds)
    value = _high(waits_of(answers, RATE, seconds))
    return Sample(value, note=note, series={"wait for an acknowledgement, ms": by_second, **series})


def answered(requests: Sequence[tuple[int, int]]) -> list[float]:
    """When each request was answered, in order, in seconds from the first one's start; from microseconds."""
    began = min(start for start, _ in requests)
    return sorted((start + duration - began) / 1e6 for start, duration in requests)


def waits_of(answers: Sequence[float], rate: int, seconds: int) -> list[float]:
    """How long after its time each collection was answered, in milliseconds; what never was, until the end."""
    all_answers = [*answers, *[float(seconds)] * (rate * seconds - len(answers))]
    return [max(0.0, at - number / rate) * 1000 for number, at in enumerate(all_answers)]


def waits_by_second(answers: Sequence[float], rate: int, seconds: int) -> list[tuple[float, float]]:
    """The 99th percentile in milliseconds of those answered in each second; where none was, of the one due next."""
    waits, points = waits_of(answers, rate, seconds), []
    for second in range(seconds):
        first, last = bisect_left(answers, second), bisect_left(answers, second + 1)
        next_one = max(0.0, second + 1 - first / rate) * 1000
        points.append((second + 1.0, _high(waits[first:last]) if last > first else next_one))
    return points


def _high(values: Sequence[float]) -> float:
    """The 99th percentile (nearest rank)."""
    return sorted(values)[min(len(values) - 1, len(values) * 99 // 100)]


def _ours(rig: Rig, target: Store) -> AbstractContextManager[Collector]:
    return service(rig, Landing(f"s3://{BUCKET}", environ=target.environ))


def _go(shape: Shape) -> Start:
    def start(rig: Rig, target: Store) -> AbstractContextManager[Collector]:
        return go(rig, shape, workers=UPLOADS, to=f"{target.url}/{BUCKET}", environ=target.environ)

    return start


SHAPES = Scenario(
    "ingest-shapes",
    "6,000 payloads a second to a store that takes 3,200 uploads: 99th percentile of the wait",
    "ms",
    (
        Contestant("headrace", (*OURS, GO, H2LOAD), functools.partial(waits, _ours), ours=True),
        Contestant("go-pool", (GO, H2LOAD), functools.partial(waits, _go("pool"))),
        Contestant("go-lean", (GO, H2LOAD), functools.partial(waits, _go("lean"))),
        Contestant("go-goroutines", (GO, H2LOAD), functools.partial(waits, _go("goroutines"))),
        Contestant("go-one", (GO, H2LOAD), functools.partial(waits, _go("one"))),
    ),
)
