"""The cost of a durable acknowledgement: ours beside NATS JetStream that syncs before it acknowledges, on one disk.

64 connections keep a collection under way each: posted here, published as one message there (see `peers/go/publisher`).
"""

import contextlib
from collections.abc import Iterator

from headrace.bench.ingest.bodies import write_collection
from headrace.bench.ingest.collector import ONE_CORE, folder
from headrace.bench.ingest.cost import OURS, accepting
from headrace.bench.ingest.golang import compiled
from headrace.bench.load import CONNECTIONS
from headrace.bench.peer import CONFIGURATIONS, Template
from headrace.bench.process import Running, cpu_of, running
from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Sample, Scenario
from headrace.bench.tools import GO, NATS
from headrace.bench.wait import free_port, until_open


@contextlib.contextmanager
def nats(rig: Rig) -> Iterator[tuple[Running, int]]:
    """A server with JetStream, and its port."""
    port = free_port()
    with folder(rig) as store:
        path = store / "nats.conf"
        template = Template((CONFIGURATIONS / path.name).read_text())
        path.write_text(template.substitute(port=port, store=store / "jetstream"))
        command = (NATS.require(), "-c", str(path))
        with running("nats", command, rig.setting.folder, rig.setting.core, ONE_CORE) as process:
            until_open(port, process)
            yield process, port


def published(rig: Rig) -> Sample:
    """Microseconds of processor time for each message that JetStream acknowledged."""
    seconds, generator = rig.effort.seconds, rig.generator
    body = write_collection(generator.folder)
    pace = ("-connections", str(CONNECTIONS), "-seconds", str(seconds), "-body", str(body))
    with nats(rig) as (process, port):
        before = cpu_of([process.pid])
        told = generator.run(compiled("publisher"), "-server", f"127.0.0.1:{port}", *pace, seconds=seconds)
        used = cpu_of([process.pid]) - before
    count, errors, p50, p99 = map(int, told.split())
    rate = f"{count * 60 / seconds / 1e6:.2f} M acknowledged/min"
    note = f"{rate}, answered in {p50 / 1000:.1f} ms, 99th percentile {p99 / 1000:.1f} ms"
    return Sample(used.total / count * 1e6, errors, note)


DURABLE = Scenario(
    "ingest-durable",
    "A collection that is synced before it is acknowledged",
    "CPU µs an acknowledgement",
    (
        Contestant("headrace", OURS, accepting, ours=True),
        Contestant("nats-jetstream", (NATS, GO), published),
    ),
    target=1.0,
)
