"""The core's counters and the members in Prometheus' terms."""

from collections import Counter as Tally
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.registry import Collector

from headrace.balancer.member import Member, State
from headrace.service.traffic import histogram, traffic

if TYPE_CHECKING:
    from headrace._core import Counters, ServerStats

PREFIX = "headrace_balancer_"


class BalancerCollector(Collector):
    """Reads everything anew at each scrape; between scrapes it costs nothing."""

    def __init__(
        self,
        counters: "Callable[[], Counters]",
        stats: "Callable[[], Sequence[ServerStats]]",
        members: Callable[[], Sequence[Member]],
        cache: Callable[[], dict[str, int] | None],
    ) -> None:
        self._counters = counters
        self._stats = stats
        self._members = members
        self._cache = cache

    def collect(self) -> Iterator[Metric]:
        """All metric families."""
        yield from _traffic(self._counters())
        yield from _servers(self._members(), self._stats())
        yield from _compression(self._counters())
        yield from _cache(self._counters(), self._cache())


def _traffic(counters: "Counters") -> Iterator[Metric]:
    yield from traffic(PREFIX, counters)
    for name, help_text, value in (
        ("retries", "Requests sent to a second server.", counters.retries),
        ("upstream_connections", "Connections opened to servers.", counters.upstream_connections),
    ):
        yield CounterMetricFamily(PREFIX + name, help_text, value=value)
    for name, help_text, value in (
        ("queued", "Requests that wait for a server now.", counters.queued),
        ("tunnels_open", "Upgraded connections open now.", counters.tunnels_open),
    ):
        yield GaugeMetricFamily(PREFIX + name, help_text, value=value)
    latency = counters.latency
    yield histogram(
        PREFIX + "request_duration_seconds",
        "From head to end of response.",
        latency.bounds,
        latency.counts,
        latency.sum,
    )


def _compression(counters: "Counters") -> Iterator[Metric]:
    responses = CounterMetricFamily(PREFIX + "compressed_responses", "Responses compressed.", labels=["coding"])
    for coding, value in counters.compressed.items():
        responses.add_metric([coding], value)
    yield responses
    for name, help_text, value in (
        ("compressed_in_bytes", "Bytes of their bodies from servers.", counters.compressed_in),
        ("compressed_out_bytes", "Bytes of their bodies to clients.", counters.compressed_out),
    ):
        yield CounterMetricFamily(PREFIX + name, help_text, value=value)


def _cache(counters: "Counters", stats: dict[str, int] | None) -> Iterator[Metric]:
    if stats is None:
        return
    requests = CounterMetricFamily(
        PREFIX + "cache_requests", "Requests for cached routes, by result.", labels=["result"]
    )
    for result, value in (
        ("hit", counters.cache_hits),
        ("stale", counters.cache_stale),
        ("revalidated", counters.cache_revalidated),
        ("miss", counters.cache_misses),
    ):
        requests.add_metric([result], value)
    yield requests
    for name, help_text, value in (
        ("cache_collapsed", "Requests that waited for another one's response.", counters.cache_collapsed),
        ("cache_sent_bytes", "Bytes of bodies that came out of the edge cache.", counters.cache_bytes),
        ("cache_evictions", "Responses that made room for others.", stats["evictions"]),
        ("cache_invalidations", "Responses that were purged or invalidated.", stats["invalidations"]),
    ):
        yield CounterMetricFamily(PREFIX + name, help_text, value=value)
    for name, help_text, value in (
        ("cache_entries", "Entries in the edge cache.", stats["entries"]),
        ("cache_bytes", "Memory that they take.", stats["bytes"]),
        ("cache_max_bytes", "Memory that they may take.", stats["max_bytes"]),
    ):
        yield GaugeMetricFamily(PREFIX + name, help_text, value=value)


def _servers(members: Sequence[Member], stats: "Sequence[ServerStats]") -> Iterator[Metric]:
    tally = Tally(member.state for member in members)
    states = GaugeMetricFamily(PREFIX + "servers", "App servers by state.", labels=["state"])
    for state in State:
        if state is not State.GONE:
            states.add_metric([state.value], tally[state])
    yield states
    labels = ["server", "address"]
    in_flight = GaugeMetricFamily(PREFIX + "server_in_flight", "Requests in flight with a server.", labels=labels)
    requests = CounterMetricFamily(PREFIX + "server_requests", "Requests sent to a server.", labels=labels)
    failures = CounterMetricFamily(PREFIX + "server_failures", "Requests that a server failed.", labels=labels)
    duration = SummaryMetricFamily(PREFIX + "server_duration_seconds", "From head to end of response.", labels=labels)
    addresses = {member.id: member.address for member in members}
    for server in stats:
        values = [server.id, addresses.get(server.id, "")]
        in_flight.add_metric(values, server.in_flight)
        requests.add_metric(values, server.requests)
        failures.add_metric(values, server.failures)
        duration.add_metric(values, sum(server.latency.counts), server.latency.sum)
    yield from (in_flight, requests, failures, duration)
