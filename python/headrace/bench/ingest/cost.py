"""The cost of a POST: processor time of the service's processes by collections that it acknowledged.

`ingest` compares accepting alone. Ours has synced each collection to its journal before it answers; the Go service
decodes it and passes its payloads through a channel to workers that encode them, as for an upload, and drop them. Two
more are shown, and ours isn't judged by them: a lean Go service, whose payloads stay the bytes they came as, and the
floor, which reads and answers and does no more: what that takes is the kernel's part, which nobody can do without.
`ingest-landing` adds to ours all that it takes until each payload lies compressed in a folder, what is left over when
the load ends included.
"""

import functools
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from headrace.bench.ingest.bodies import PAYLOADS
from headrace.bench.ingest.collector import Collector, Landing, acceptor, floor, folder, go, service
from headrace.bench.ingest.disk import syncs_a_second
from headrace.bench.ingest.posting import Posted, post
from headrace.bench.peer import HEADRACE
from headrace.bench.process import Cpu, cpu_of
from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Sample, Scenario
from headrace.bench.tools import GO, WRK

MICROSECONDS = "CPU µs a POST"
STOP = 10.0  # seconds that a service without anything to land takes to end at most
LAND = 900.0  # seconds that it takes until all is landed at most


def accepting(rig: Rig) -> Sample:
    """Ours without landing; the note says how often the disk was asked, and how often it can be."""
    with acceptor(rig) as collector:
        before = cpu_of([collector.process.pid])
        done = post(rig.generator, collector.url, rig.effort.seconds)
        used = cpu_of([collector.process.pid]) - before
        collector.process.end(STOP)
        syncs = int(collector.process.said().rpartition("syncs ")[2])
    disk = f"{syncs / rig.effort.seconds:.0f} syncs/s where the disk does {syncs_a_second(rig):.0f} alone"
    return _sample(used, done, f"{done.note()}, {disk}")


def dropping(start: Callable[[Rig], AbstractContextManager[Collector]], rig: Rig) -> Sample:
    """One that keeps nothing."""
    with start(rig) as collector:
        before = cpu_of([collector.process.pid])
        done = post(rig.generator, collector.url, rig.effort.seconds)
        used = cpu_of([collector.process.pid]) - before
    return _sample(used, done, done.note())


def landing(form: str, rig: Rig) -> Sample:
    """Ours, until it has landed all and ended; what landed is counted."""
    with folder(rig) as target, service(rig, Landing(f"file://{target}", form)) as collector:
        before = cpu_of([collector.process.pid])
        done = post(rig.generator, collector.url, rig.effort.seconds)
        ended = time.monotonic()
        used = collector.process.end(LAND) - before
        objects = [path for path in target.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in objects) >> 20
    note = f"{done.note()}, {len(objects)} objects of {size} MiB, all landed {time.monotonic() - ended:.1f} s later"
    missing = done.requests * PAYLOADS - sum(map(payloads_of, objects))
    return Sample(0.0, failure=f"{missing} payloads did not land") if missing > 0 else _sample(used, done, note)


def payloads_of(path: Path) -> int:
    """How many payloads an object holds, by its name; numbers of one stream have no gaps."""
    found = re.search(r"-(\d+)-(\d+)\.", path.name)
    return int(found.group(2)) - int(found.group(1)) + 1 if found else 0


def _sample(used: Cpu, done: Posted, note: str) -> Sample:
    if not done.requests:
        return Sample(0.0, done.errors, note, "no collection was accepted")
    return Sample(used.total / done.requests * 1e6, done.errors, note)


OURS = (HEADRACE.tool, WRK)
GO_PEER = Contestant("go", (GO, WRK), functools.partial(dropping, go))
GO_LEAN = Contestant("go-lean", (GO, WRK), functools.partial(dropping, functools.partial(go, shape="lean")))
FLOOR = Contestant("floor", (GO, WRK), functools.partial(dropping, floor))

ACCEPTING = Scenario(
    "ingest",
    "POST of 3 payloads: ours synced to disk before the reply, Go keeps nothing",
    MICROSECONDS,
    (Contestant("headrace", OURS, accepting, ours=True), GO_PEER, GO_LEAN, FLOOR),
    target=0.25,
    against=(GO_PEER.name,),
)
LANDING = Scenario(
    "ingest-landing",
    "The same until it has landed compressed, Go lands nothing",
    MICROSECONDS,
    (
        Contestant("headrace", OURS, functools.partial(landing, "ndjson.gz"), ours=True),
        Contestant("headrace-zstd", OURS, functools.partial(landing, "ndjson.zst"), ours=True),
        GO_PEER,
        GO_LEAN,
    ),
    target=0.50,
    against=(GO_PEER.name,),
)
