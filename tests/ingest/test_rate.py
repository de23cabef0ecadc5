"""How fast a count grows, and when a refused client is told to come again."""

import pytest

from headrace.ingest.rate import LONGEST, STANDING, Rate, retry_after


def test_a_rate_is_over_its_span_alone():
    rate = Rate(10.0)
    assert rate.per_second == 0.0
    for now, count in ((0.0, 0), (1.0, 1000), (11.0, 1010), (21.0, 1030)):
        rate.add(now, count)
    assert rate.per_second == pytest.approx(2.0)


def test_two_samples_at_one_time_are_no_division_by_zero():
    rate = Rate(10.0)
    rate.add(1.0, 0)
    rate.add(1.0, 5)
    assert rate.per_second > 0


def test_what_was_before_a_restart_counts_no_more():
    rate = Rate(60.0)
    rate.add(0.0, 0)
    rate.add(50.0, 0)
    rate.restart()
    rate.add(50.0, 0)
    rate.add(51.0, 100)
    assert rate.per_second == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("waiting", "per_second", "seconds"),
    [
        (10_000, 500.0, 2.0),
        (100, 500.0, 1.0),
        (10_000_000, 1.0, LONGEST),
        (10, 0.0, STANDING),
        (0, 0.0, STANDING),
        (10, -1.0, STANDING),
    ],
)
def test_a_tenth_of_the_queue_is_to_land_first(waiting, per_second, seconds):
    assert retry_after(waiting, per_second) == seconds
