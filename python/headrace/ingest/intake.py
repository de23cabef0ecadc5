"""What is accepted, refused and kept, in Prometheus' terms: the core's counters and its journal's."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from headrace.ingest.metrics import PREFIX, labelled

if TYPE_CHECKING:
    from headrace._core import Counters, Histogram, JournalStatus


class IntakeCollector(Collector):
    """Reads everything anew at each scrape; between scrapes it costs nothing."""

    def __init__(self, counters: "Callable[[], Counters]", journal: "Callable[[], JournalStatus]") -> None:
        self._counters = counters
        self._journal = journal

    def collect(self) -> Iterator[Metric]:
        """All metric families."""
        yield from _requests(self._counters())
        yield from _journal(self._journal())


def _requests(counters: "Counters") -> Iterator[Metric]:
    for name, help_text, value in (
        ("connections_accepted", "Client connections accepted.", counters.connections_accepted),
        ("connections_refused", "Client connections closed at once, over the limit.", counters.connections_refused),
        ("tls_handshakes", "TLS handshakes completed.", counters.tls_handshakes),
        ("tls_failed", "TLS handshakes that failed.", counters.tls_failed),
        ("received_bytes", "Bytes received from clients.", counters.bytes_received),
        ("sent_bytes", "Bytes sent to clients.", counters.bytes_sent),
    ):
        yield CounterMetricFamily(PREFIX + name, help_text, value=value)
    yield GaugeMetricFamily(
        PREFIX + "connections_open", "Client connections open now.", value=counters.connections_open
    )
    protocols = {"http1": counters.requests_http1, "http2": counters.requests_http2}
    yield labelled("requests", "Requests by protocol.", "protocol", protocols)
    yield labelled("responses", "Responses by class of status.", "class", counters.responses)
    yield labelled("refused", "Requests that were refused, by error.", "error", counters.refused)
    yield _histogram("acknowledgement_seconds", "From a request's head to its answer.", counters.latency)


def _journal(status: "JournalStatus") -> Iterator[Metric]:
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
        yield CounterMetricFamily(f"{PREFIX}journal_{name}", help_text, value=counts[name])
    for name, help_text, value in (
        ("unlanded", "Payloads that wait to be landed.", status.unlanded),
        ("bytes", "Bytes on disk.", status.bytes),
        ("good", "1 while the journal's disk takes payloads.", status.health[0] == "good"),
    ):
        yield GaugeMetricFamily(f"{PREFIX}journal_{name}", help_text, value=float(value))


def _histogram(name: str, help_text: str, histogram: "Histogram") -> Metric:
    below, buckets = 0, []
    for bound, count in zip(histogram.bounds, histogram.counts, strict=True):
        below += count
        buckets.append(("+Inf" if bound == float("inf") else str(bound), float(below)))
    return HistogramMetricFamily(PREFIX + name, help_text, buckets=buckets, sum_value=histogram.sum)
