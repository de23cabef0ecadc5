"""What a service accepts, refuses and keeps, in Prometheus' terms: the core's counters and its journal's."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from headrace.service.traffic import histogram, traffic

if TYPE_CHECKING:
    from headrace._core import Counters, JournalStatus


class IntakeCollector(Collector):
    """Reads everything anew at each scrape; between scrapes it costs nothing. `prefix` ends with an underscore."""

    def __init__(self, prefix: str, counters: "Callable[[], Counters]", journal: "Callable[[], JournalStatus]") -> None:
        self._prefix = prefix
        self._counters = counters
        self._journal = journal

    def collect(self) -> Iterator[Metric]:
        """All metric families."""
        yield from _requests(self._prefix, self._counters())
        yield from _journal(self._prefix, self._journal())


def _requests(prefix: str, counters: "Counters") -> Iterator[Metric]:
    yield from traffic(prefix, counters)
    latency = counters.latency
    yield histogram(
        prefix + "acknowledgement_seconds",
        "From a request's head to its answer.",
        latency.bounds,
        latency.counts,
        latency.sum,
    )


def _journal(prefix: str, status: "JournalStatus") -> Iterator[Metric]:
    counts = status.counts
    for name, help_text in (
        ("appended", "Payloads that were accepted."),
        ("landed", "Payloads that landed or were set aside."),
        ("failed", "Payloads whose sync failed, so that they were not acknowledged."),
        ("written", "Bytes written."),
        ("syncs", "Syncs of the disk."),
        ("failures", "Failures of the disk."),
        ("holes", "Places at which records were missing."),
    ):
        yield CounterMetricFamily(f"{prefix}journal_{name}", help_text, value=counts[name])
    for name, help_text, value in (
        ("unlanded", "Payloads that wait to be landed.", status.unlanded),
        ("bytes", "Bytes on disk.", status.bytes),
        ("good", "1 while the journal's disk takes payloads.", status.health[0] == "good"),
    ):
        yield GaugeMetricFamily(f"{prefix}journal_{name}", help_text, value=float(value))
