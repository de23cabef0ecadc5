"""The log file, and what comes by syslog, in Prometheus' terms."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from headrace._core import Counters, LogFileStatus

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


class SyslogCollector(Collector):
    """Reads the engine's counters anew at each scrape."""

    def __init__(self, counters: "Callable[[], Counters]") -> None:
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        """All metric families."""
        counters = self._counters()
        for name, help_text, value in (
            ("messages", "Messages that were taken.", counters.syslog_messages),
            ("malformed", "Messages among them without a known form.", counters.syslog_malformed),
            ("cut", "Messages among them that were too long or not whole.", counters.syslog_cut),
            ("refused_peers", "Connections from where nobody may send.", counters.syslog_strangers),
        ):
            yield CounterMetricFamily(f"{PREFIX}syslog_{name}", help_text, value=value)
        open_now = float(counters.syslog_open)
        yield GaugeMetricFamily(f"{PREFIX}syslog_connections_open", "Connections open now.", value=open_now)
