import pytest

from headrace.bench.ingest.shapes import SHAPES, answered, waits_by_second, waits_of


def test_answers_are_counted_from_the_first_start():
    assert answered([(5_000_000, 1_000_000), (4_000_000, 500_000)]) == [0.5, 2.0]


def test_a_wait_counts_from_when_the_collection_was_due():
    # Two a second for two seconds; the clients were held up, and the last one was never answered.
    assert waits_of([0.25, 0.75, 2.0], 2, 2) == [250.0, 250.0, 1000.0, 500.0]


def test_a_second_without_answers_shows_how_long_the_next_one_waits_by_then():
    assert waits_by_second([0.5, 2.5], 1, 3) == [(1.0, 500.0), (2.0, 1000.0), (3.0, 1500.0)]


def test_a_service_that_answers_nothing_more_waits_longer_each_second():
    waits = [value for _, value in waits_by_second([0.1] * 10, 10, 4)]
    assert waits[1:] == [1000.0, 2000.0, 3000.0]


@pytest.mark.slow
@pytest.mark.parametrize("contestant", SHAPES.contestants, ids=lambda each: each.name)
def test_each_shape_is_watched_over_time(rig, need, contestant):
    need(*contestant.tools)
    sample = contestant.measure(rig)
    assert sample.valid, sample
    waits = sample.series["wait for an acknowledgement, ms"]
    assert [at for at, _ in waits] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert sample.series["memory, MiB"]
