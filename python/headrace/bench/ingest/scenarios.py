"""All that is measured of ingest, in the order in which it is shown."""

from headrace.bench.ingest.cost import ACCEPTING
from headrace.bench.ingest.durable import DURABLE
from headrace.bench.ingest.latency import LATENCY

INGEST = (ACCEPTING, LATENCY, DURABLE)
