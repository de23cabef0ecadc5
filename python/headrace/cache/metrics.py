"""The cache in Prometheus' terms."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from headrace.service.traffic import histogram, traffic

if TYPE_CHECKING:
    from headrace._core import Counters

PREFIX: Final = "headrace_cache_"


class StoreCollector(Collector):
    """Reads everything anew at each scrape; between scrapes it costs nothing."""

    def __init__(self, counters: "Callable[[], Counters]", stats: Callable[[], Mapping[str, int]]) -> None:
        self._counters = counters
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        """All metric families."""
        counters = self._counters()
        yield from traffic(PREFIX, counters)
        latency = counters.latency
        help_text = "From a request's head to its answer, and to what others compute where that is waited for."
        yield histogram(PREFIX + "request_seconds", help_text, latency.bounds, latency.counts, latency.sum)
        yield from _store(self._stats())


def _store(stats: Mapping[str, int]) -> Iterator[Metric]:
    for name, help_text in (
        ("hits", "Values that were found and fresh."),
        ("stale_hits", "Values that were found and stale."),
        ("misses", "Values that were not found."),
        ("sets", "Values that were stored."),
        ("refused", "Values that were not stored: too large, or their lease was lost."),
        ("evictions", "Values that made room for others."),
        ("expirations", "Values whose time was over."),
        ("invalidations", "Values that were removed or made stale by key, tag or prefix."),
        ("leases", "Leases that were granted."),
    ):
        yield CounterMetricFamily(f"{PREFIX}store_{name}", help_text, value=stats[name])
    for name, help_text in (
        ("entries", "Values."),
        ("bytes", "Bytes of them, with keys, tags and what it takes to keep them."),
        ("max_bytes", "Most bytes."),
    ):
        yield GaugeMetricFamily(f"{PREFIX}store_{name}", help_text, value=float(stats[name]))
