"""The landing in Prometheus' terms."""

from collections.abc import Callable, Iterator, Mapping
from math import inf

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from headrace.ingest.tally import BOUNDS, Tally
from headrace.service.traffic import histogram, labelled

PREFIX = "headrace_ingest_"


class LandingCollector(Collector):
    """Reads everything anew at each scrape; between scrapes it costs nothing.

    `gauges` tells what is so now, by name: `oldest_seconds`, `workers`, `dead_letters` and what else there is.
    """

    def __init__(self, tally: Tally, gauges: Mapping[str, tuple[str, Callable[[], float]]]) -> None:
        self._tally = tally
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        """All metric families."""
        tally = self._tally
        for name, help_text, value in (
            ("landed_payloads", "Payloads that landed.", tally.payloads),
            ("landed_batches", "Batches that landed.", tally.batches),
            ("landed_posted_bytes", "Bytes of payloads that landed, as posted.", tally.posted_bytes),
            ("landed_stored_bytes", "Bytes of payloads that landed, as stored.", tally.stored_bytes),
            ("set_aside_payloads", "Payloads that went to the dead letters.", tally.set_aside),
            ("lost_payloads", "Payloads that the journal's disk lost before they landed.", tally.lost),
        ):
            yield CounterMetricFamily(PREFIX + name, help_text, value=value)
        yield labelled(PREFIX + "completed_batches", "Batches by what completed them.", "reason", tally.completed)
        yield labelled(PREFIX + "failed_uploads", "Uploads that failed, by kind.", "kind", tally.failures)
        uploads = tally.uploads
        yield histogram(
            PREFIX + "upload_seconds",
            "From the first byte to the sink's confirmation.",
            (*BOUNDS, inf),
            uploads.counts,
            uploads.sum,
        )
        yield GaugeMetricFamily(PREFIX + "held", "1 while the sink must be mended.", value=float(bool(tally.held)))
        for name, (help_text, read) in self._gauges.items():
            yield GaugeMetricFamily(PREFIX + name, help_text, value=read())
