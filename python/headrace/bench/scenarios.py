"""All that is measured, in the order in which it is shown."""

from headrace.bench.cache.scenarios import CACHE
from headrace.bench.crowd import CROWD
from headrace.bench.edge import EDGE
from headrace.bench.idle import IDLE
from headrace.bench.ingest.scenarios import INGEST
from headrace.bench.latency import LATENCY
from headrace.bench.logs.scenarios import LOGS
from headrace.bench.proxied import PROXIED
from headrace.bench.replay import REPLAY
from headrace.bench.stack import STACK

SCENARIOS = (*PROXIED, IDLE, LATENCY, CROWD, STACK, *INGEST, *LOGS, *CACHE, *EDGE, *REPLAY)
