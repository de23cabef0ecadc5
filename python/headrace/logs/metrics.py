"""The log file in Prometheus' terms."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from headrace._core import LogFileStatus

PREFIX: Final = "headrace_logs_"


class FileCollector(Collector):
    """Reads everything anew at each scrape; between scrapes it costs nothing."""

    def __init__(self, status: "Callable[[], LogFileStatus]") -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """All metric families."""
        status = self._status()
        for name, help_text in (
            ("lines", "Entries written."),
            ("late", "Entries that came after their place in the file was written."),
            ("bytes", "Bytes written."),
            ("unreadable", "Payloads of the journal that are no entries."),
            ("flushes", "Times that the file was made safe."),
            ("rotations", "Files that were completed."),
            ("failures", "Attempts to write that failed."),
        ):
            yield CounterMetricFamily(f"{PREFIX}file_{name}", help_text, value=status.counts[name])
        for name, help_text, value in (
            ("window_entries", "Entries that wait for earlier ones.", status.waiting),
            ("window_bytes", "Bytes of them.", status.waiting_bytes),
            ("file_length", "Bytes of the file.", status.length),
            ("file_good", "1 while the file can be written.", not status.fault),
        ):
            yield GaugeMetricFamily(PREFIX + name, help_text, value=float(value))
