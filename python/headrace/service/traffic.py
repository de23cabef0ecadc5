"""What every service tells of its clients, in Prometheus' terms: the engine's counters under the service's prefix."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

if TYPE_CHECKING:
    from headrace._core import Counters


def traffic(prefix: str, counters: "Counters") -> Iterator[Metric]:
    """Connections, handshakes, bytes, requests by protocol, status and refusal; `prefix` ends with an underscore."""
    for name, help_text, value in (
        ("connections_accepted", "Client connections accepted.", counters.connections_accepted),
        ("connections_refused", "Client connections closed at once, over the limit.", counters.connections_refused),
        ("tls_handshakes", "TLS handshakes completed.", counters.tls_handshakes),
        ("tls_resumed", "TLS handshakes that resumed a session.", counters.tls_resumed),
        ("tls_failed", "TLS handshakes that failed.", counters.tls_failed),
        ("received_bytes", "Bytes received from clients.", counters.bytes_received),
        ("sent_bytes", "Bytes sent to clients.", counters.bytes_sent),
    ):
        yield CounterMetricFamily(prefix + name, help_text, value=value)
    yield GaugeMetricFamily(
        prefix + "connections_open", "Client connections open now.", value=counters.connections_open
    )
    protocols = {"http1": counters.requests_http1, "http2": counters.requests_http2}
    yield labelled(prefix + "requests", "Requests by protocol.", "protocol", protocols)
    yield labelled(prefix + "responses", "Responses by class of status.", "class", counters.responses)
    yield labelled(prefix + "refused", "Requests answered by the service itself, by error.", "error", counters.refused)


def labelled(name: str, help_text: str, label: str, values: Mapping[str, int]) -> Metric:
    """A counter for each value of a label."""
    family = CounterMetricFamily(name, help_text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def histogram(name: str, help_text: str, bounds: Sequence[float], counts: Sequence[int], total: float) -> Metric:
    """Durations in buckets: `counts[i]` are those up to `bounds[i]` seconds, the last bound is infinite."""
    below, buckets = 0, []
    for bound, count in zip(bounds, counts, strict=True):
        below += count
        buckets.append(("+Inf" if bound == float("inf") else str(bound), float(below)))
    return HistogramMetricFamily(name, help_text, buckets=buckets, sum_value=total)
