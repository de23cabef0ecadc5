"""Many servers: whether a request costs more when a thousand stand behind the balancer than when two do."""

import functools

from headrace.bench.peer import HEADRACE
from headrace.bench.proxied import MICROSECONDS, cost
from headrace.bench.scenario import Contestant, Scenario

CROWD = Scenario(
    "servers",
    "1,000 servers against 2, probes included",
    MICROSECONDS,
    (
        Contestant("headrace", (HEADRACE.tool,), functools.partial(cost, HEADRACE, tls=False, servers=1000), ours=True),
        Contestant("two-servers", (HEADRACE.tool,), functools.partial(cost, HEADRACE, tls=False, servers=2)),
    ),
    target=1.1,
)
