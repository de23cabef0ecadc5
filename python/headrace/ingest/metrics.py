"""The landing in Prometheus' terms."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from headrace.ingest.tally import BOUNDS, Durations, Tally

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
        ):
            yield CounterMetricFamily(PREFIX + name, help_text, value=value)
        yield labelled("completed_batches", "Batches by what completed them.", "reason", tally.completed)
        yield labelled("failed_uploads", "Uploads that failed, by kind.", "kind", tally.failures)
        yield _histogram("upload_seconds", "From the first byte to the sink's confirmation.", tally.uploads)
        yield GaugeMetricFamily(PREFIX + "held", "1 while the sink must be mended.", value=float(bool(tally.held)))
        for name, (help_text, read) in self._gauges.items():
            yield GaugeMetricFamily(PREFIX + name, help_text, value=read())


def labelled(name: str, help_text: str, label: str, values: Mapping[str, int]) -> Metric:
    """A counter for each value of a label."""
    family = CounterMetricFamily(PREFIX + name, help_text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _histogram(name: str, help_text: str, durations: Durations) -> Metric:
    below, buckets = 0, []
    for bound, count in zip([*map(str, BOUNDS), "+Inf"], durations.counts, strict=True):
        below += count
        buckets.append((bound, float(below)))
    return HistogramMetricFamily(PREFIX + name, help_text, buckets=buckets, sum_value=durations.sum)
