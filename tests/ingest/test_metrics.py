"""The landing in Prometheus' terms."""

from prometheus_client import CollectorRegistry, generate_latest

from headrace.ingest.metrics import LandingCollector
from headrace.ingest.tally import Durations, Tally


def text(tally: Tally, **gauges: float) -> list[str]:
    registry = CollectorRegistry(auto_describe=False)
    readers = {name: ("Help.", lambda value=value: value) for name, value in gauges.items()}
    registry.register(LandingCollector(tally, readers))
    return generate_latest(registry).decode().splitlines()


def test_what_landed_is_counted_by_what_completed_it():
    tally = Tally(payloads=1000, batches=3, posted_bytes=90_000, stored_bytes=10_000)
    tally.completed.update(age=2, bytes=1)
    lines = text(tally)
    assert "headrace_ingest_landed_payloads_total 1000.0" in lines
    assert 'headrace_ingest_completed_batches_total{reason="age"} 2.0' in lines
    assert 'headrace_ingest_completed_batches_total{reason="bytes"} 1.0' in lines


def test_failures_are_counted_by_kind_and_a_held_sink_is_seen():
    tally = Tally(held="the key was revoked")
    tally.failures.update(transient=7, held=2)
    lines = text(tally)
    assert 'headrace_ingest_failed_uploads_total{kind="transient"} 7.0' in lines
    assert "headrace_ingest_held 1.0" in lines
    assert "headrace_ingest_held 0.0" in text(Tally())


def test_uploads_have_a_histogram():
    tally = Tally()
    for seconds in (0.01, 0.02, 100.0):
        tally.uploads.add(seconds)
    lines = text(tally)
    assert 'headrace_ingest_upload_seconds_bucket{le="0.01"} 1.0' in lines
    assert 'headrace_ingest_upload_seconds_bucket{le="60.0"} 2.0' in lines
    assert 'headrace_ingest_upload_seconds_bucket{le="+Inf"} 3.0' in lines


def test_what_is_so_now_is_read_at_each_scrape():
    assert "headrace_ingest_oldest_seconds 12.5" in text(Tally(), oldest_seconds=12.5)


def test_percentiles_are_bounds_of_buckets():
    durations = Durations()
    assert durations.percentile(50) == 0.0
    for seconds in (0.001, 0.02, 0.02, 0.3):
        durations.add(seconds)
    assert [durations.percentile(percent) for percent in (1, 25, 50, 75, 99)] == [0.01, 0.01, 0.025, 0.025, 0.5]
    durations.add(1000.0)
    assert durations.percentile(100) == 60.0
