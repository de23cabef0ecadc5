"""How fast a count grows, and when a refused client is told to come again."""

import pytest

from headrace.service.rate import LONGEST, STANDING, Drain, Rate, retry_after


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


def test_a_queue_that_has_just_filled_is_not_taken_for_a_slow_one():
    drain = Drain(60.0)
    for now in range(60):
        drain.retry_after(float(now), waiting=0, done=0)
    drain.retry_after(60.0, waiting=0, done=0)
    assert drain.retry_after(62.0, waiting=1000, done=1000) == pytest.approx(1.0)


def test_a_queue_that_stands_still_is_come_back_to_after_a_pause():
    drain = Drain(60.0)
    drain.retry_after(0.0, waiting=10, done=5)
    assert drain.retry_after(1.0, waiting=10, done=5) == STANDING
