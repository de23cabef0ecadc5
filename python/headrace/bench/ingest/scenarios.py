"""All that is measured of ingest, in the order in which it is shown."""

from headrace.bench.ingest.cost import ACCEPTING, LANDING
from headrace.bench.ingest.durable import DURABLE
from headrace.bench.ingest.latency import LATENCY
from headrace.bench.ingest.objects import OBJECTS
from headrace.bench.ingest.shapes import SHAPES
from headrace.bench.ingest.soak import SOAK

INGEST = (ACCEPTING, LATENCY, LANDING, OBJECTS, DURABLE, SHAPES, SOAK)
