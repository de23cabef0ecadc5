"""The cost of an upload where each payload becomes an object of its own: ours and the Go service to the same store.

A number of collections is posted; the figure is the processor time from the first of them until the store has as many
objects as there were payloads. Both sign each request and have up to 64 uploads on their way at once, over connections
that are kept.
"""

import functools
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from headrace.bench.ingest.bodies import PAYLOADS
from headrace.bench.ingest.collector import Collector, Landing, go, service
from headrace.bench.ingest.cost import OURS
from headrace.bench.ingest.posting import post_count
from headrace.bench.ingest.store import BUCKET, Store, store
from headrace.bench.process import cpu_of
from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Sample, Scenario
from headrace.bench.tools import GO, H2LOAD
from headrace.errors import OperationError

RATE = 1000  # collections for each second of effort
UPLOADS = 64  # at once, for both
PAUSE = 0.02
PATIENCE = 120  # seconds for all of it

Start = Callable[[Rig, Store], AbstractContextManager[Collector]]


def cost(start: Start, rig: Rig) -> Sample:
    """Microseconds of processor time for each object."""
    collections = RATE * rig.effort.seconds
    wanted = collections * PAYLOADS
    with store(rig) as target, start(rig, target) as collector:
        before, began = cpu_of([collector.process.pid]), time.monotonic()
        done = post_count(rig.generator, collector.url, collections, PATIENCE)
        _await_objects(target, wanted, collector)
        took = time.monotonic() - began
        used = cpu_of([collector.process.pid]) - before
    return Sample(used.total / wanted * 1e6, done.errors, f"{wanted} objects, {wanted / took:.0f} uploads/s")


def _await_objects(target: Store, wanted: int, collector: Collector) -> None:
    deadline = time.monotonic() + PATIENCE
    while (count := target.objects()) < wanted:
        collector.process.check()
        if time.monotonic() > deadline:
            raise OperationError(f"{collector.process.name} uploaded {count} of {wanted} payloads in {PATIENCE} s")
        time.sleep(PAUSE)


def _ours(rig: Rig, target: Store) -> AbstractContextManager[Collector]:
    # The last payloads don't make a batch, and their uploads shall not wait for one.
    landing = Landing(f"s3://{BUCKET}", objects="each", age="1s", environ=target.environ)
    return service(rig, landing)


def _go(rig: Rig, target: Store) -> AbstractContextManager[Collector]:
    return go(rig, workers=UPLOADS, to=f"{target.url}/{BUCKET}", environ=target.environ)


OBJECTS = Scenario(
    "ingest-objects",
    "An object for each payload, to the same store",
    "CPU µs an upload",
    (
        Contestant("headrace", (*OURS, GO, H2LOAD), functools.partial(cost, _ours), ours=True),
        Contestant("go", (GO, H2LOAD), functools.partial(cost, _go)),
    ),
    target=1.0,
)
