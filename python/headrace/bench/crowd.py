"""Many servers: whether a request costs more when a thousand stand behind the balancer than when two do.

The probes of all of them go on meanwhile and are in the figure; the note says what they cost while no request is made.
"""

import functools
import time

from headrace.bench.peer import HEADRACE
from headrace.bench.process import cpu_of
from headrace.bench.proxied import MICROSECONDS, spent
from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Sample, Scenario


def cost(servers: int, rig: Rig) -> Sample:
    """Loads headrace with so many servers behind it."""
    with rig.proxy(HEADRACE, tls=False, servers=rig.servers(servers)) as target:
        # The first request to a server opens a connection, which is not what is asked here.
        rig.generator.http1(target.url, 1)
        idle = _idle_share(target.pid, rig.effort.seconds)
        note = f"{idle:.1%} of a core when idle"
        return spent([target.pid], lambda: rig.generator.http1(target.url, rig.effort.seconds), note)


def _idle_share(pid: int, seconds: float) -> float:
    """The share of a core that a proxy uses without requests."""
    before = cpu_of([pid])
    time.sleep(seconds)
    return (cpu_of([pid]) - before).total / seconds


CROWD = Scenario(
    "servers",
    "1,000 servers against 2, probes included",
    MICROSECONDS,
    (
        Contestant("headrace", (HEADRACE.tool,), functools.partial(cost, 1000), ours=True),
        Contestant("two-servers", (HEADRACE.tool,), functools.partial(cost, 2)),
    ),
    target=1.1,
)
