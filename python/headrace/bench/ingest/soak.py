"""Ours for as long as is wanted, landing all the while: whether memory, queue and lag stay where they are.

wrk posts a third of what accepting alone bears. With `--seconds 1200` it is twenty minutes.
"""

import json
import statistics
from typing import Final

from headrace.bench.ingest.collector import Collector, Landing, folder, service
from headrace.bench.ingest.cost import LAND, OURS
from headrace.bench.ingest.latency import half_load
from headrace.bench.ingest.posting import post
from headrace.bench.ingest.watch import Points, watched
from headrace.bench.process import memory_of
from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Sample, Scenario
from headrace.bench.wait import ask
from headrace.errors import OperationError

CONNECTIONS: Final = 256
LOOKS: Final = 200  # in all, but not more than two in a second
MIB: Final = 1 << 20
MEMORY, QUEUE, OLDEST = "memory, MiB", "payloads that wait to be landed", "age of the oldest of them, s"


def soak(rig: Rig) -> Sample:
    """The memory that it grew by from its first half to its second, in MiB."""
    seconds = rig.effort.seconds
    pause = max(1, round(CONNECTIONS * 1000 / (half_load(rig) * 2 / 3 + 1)))
    with folder(rig) as target, service(rig, Landing(f"file://{target}")) as collector:
        with watched(lambda: _look(collector), max(0.5, seconds / LOOKS)) as series:
            done = post(rig.generator, collector.url, seconds, connections=CONNECTIONS, pause=pause)
        collector.process.end(LAND)
    if len(series.get(MEMORY, ())) < 2:
        raise OperationError(f"{seconds} s are too short to see anything", hint="--seconds 4, or more")
    most = {name: max(value for _, value in points) for name, points in series.items()}
    note = f"{done.note()}, memory up to {most[MEMORY]:.0f} MiB, queue up to {most[QUEUE]:,.0f}, {most[OLDEST]:.0f} s"
    return Sample(growth(series[MEMORY]), done.errors, note, series=series)


def growth(points: Points) -> float:
    """The median of the second half of the values less that of the first."""
    values = [value for _, value in points]
    half = len(values) // 2
    return statistics.median(values[half:]) - statistics.median(values[:half])


def _look(collector: Collector) -> dict[str, float]:
    status, told = ask(f"{collector.admin}/status")
    if status != 200:
        raise OperationError(f"{collector.admin} does not answer: {status}")
    view = json.loads(told)
    return {
        MEMORY: memory_of(collector.process.pid) / MIB,
        QUEUE: float(view["queue"]),
        OLDEST: float(view["oldest_seconds"]),
    }


SOAK = Scenario(
    "ingest-soak",
    "Growth of the memory while it lands, from the first half to the second",
    "MiB",
    (Contestant("headrace", OURS, soak, ours=True),),
)
