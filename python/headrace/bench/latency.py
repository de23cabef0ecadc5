"""What a proxy adds to the 99th percentile of latency, at half of the load that HAProxy bears in the same run.

h2load sends at a fixed rate over 32 connections of HTTP/1.1, whatever comes back, and logs every request; the same
rate sent straight to the backend gives what is subtracted. A connection carries one request at a time, so a proxy
that falls far behind is flattered: the note then says how much of the load it carried.
"""

import functools

from headrace.bench.peer import HAPROXY_PEER, HEADRACE, PEERS, Peer
from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Sample, Scenario
from headrace.errors import OperationError

FALLEN_BEHIND = 0.95  # of the load


@functools.cache
def half_load(rig: Rig) -> int:
    """Requests a second: half of what HAProxy carries at its most, or headrace where there is no HAProxy."""
    reference = HAPROXY_PEER if HAPROXY_PEER.tool.path() else HEADRACE
    with rig.proxy(reference, tls=False) as target:
        load = rig.generator.http1(target.url, 1)
    return load.requests // 2


def added(peer: Peer, rig: Rig) -> Sample:
    """Microseconds between the 99th percentiles through the peer and past it."""
    rate, seconds = half_load(rig), rig.effort.seconds
    direct = rig.generator.at_rate(f"http://127.0.0.1:{rig.backend}/", seconds, rate)
    with rig.proxy(peer, tls=False) as target:
        through = rig.generator.at_rate(target.url, seconds, rate)
    if not through.durations or not direct.durations:
        raise OperationError(f"no request was answered at {rate} a second")
    carried = len(through.durations) / (rate * seconds)
    behind = "" if carried >= FALLEN_BEHIND else f", carried {carried:.0%}"
    note = f"{rate} requests/s, median {through.percentile(50):.0f} µs{behind}"
    return Sample(through.percentile(99) - direct.percentile(99), through.errors, note)


LATENCY = Scenario(
    "latency",
    "Added 99th percentile at half load, HTTP/1.1",
    "µs",
    tuple(Contestant(each.name, (each.tool,), functools.partial(added, each), ours=each is HEADRACE) for each in PEERS),
    target=1.0,
    against=("haproxy",),
)
