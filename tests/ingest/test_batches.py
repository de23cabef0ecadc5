"""When a batch is complete."""

from dataclasses import replace

import pytest

from headrace.ingest.batches import HOUR, Batches, Complete, Limits, Reason
from headrace.ingest.journal import Range

from .fake_journal import Piece

TIME = 490_000 * HOUR
LIMITS = Limits(stored=1000, posted=20_000, count=100, age=30.0)


def piece(first: int, count: int = 1, *, stream: int = 0, time: int = TIME, size: int = 10) -> Piece:
    return Piece(stream, time, range(first, first + count), (b"x" * (size - 1),) * count)


def taken(batches: Batches, now: float = 0.0, *, stop: bool = False) -> list[tuple[Range, Reason]]:
    return [(complete.range, complete.reason) for complete in batches.take(now, stop=stop)]


def test_a_batch_grows_until_it_is_old_enough():
    batches = Batches(LIMITS)
    batches.add(piece(1, 10), 0.0)
    batches.add(piece(11, 5), 20.0)
    assert taken(batches, 29.9) == []
    assert taken(batches, 30.0) == [(Range(0, 1, 15), Reason.AGE)]
    assert taken(batches, 1000.0) == []


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        ([piece(1, 100)], Reason.COUNT),
        ([piece(1, 60), piece(61, 60)], Reason.COUNT),
        ([piece(1, 1, size=4000)], Reason.BYTES),
        ([piece(1, 50, size=40), piece(51, 50, size=40)], Reason.BYTES),
    ],
)
def test_a_batch_is_complete_when_it_is_large_enough(pieces, reason):
    batches = Batches(LIMITS)
    for each in pieces:
        batches.add(each, 0.0)
    assert taken(batches) == [(Range(0, 1, pieces[-1].last), reason)]


@pytest.mark.parametrize("limits", [replace(LIMITS, queue=90), replace(LIMITS, queue_bytes=900)])
def test_all_batches_are_complete_before_they_fill_the_queue(limits):
    batches = Batches(limits)
    batches.add(piece(1, 45), 0.0)
    batches.add(piece(46, 44, stream=1), 0.0)
    assert taken(batches) == []
    batches.add(piece(90, 1), 0.0)
    assert taken(batches) == [(Range(0, 1, 90), Reason.QUEUE), (Range(1, 46, 89), Reason.QUEUE)]
    batches.add(piece(91, 45), 0.0)
    assert taken(batches) == []


def test_what_batches_shrank_to_tells_how_large_they_become():
    batches = Batches(LIMITS)
    for _ in range(20):
        batches.stored(0, posted=1000, stored=100)
    batches.add(piece(1, 1, size=9000), 0.0)
    assert taken(batches) == []
    batches.add(piece(2, 1, size=1100), 0.0)
    assert taken(batches) == [(Range(0, 1, 2), Reason.BYTES)]


def test_memory_is_bounded_however_well_payloads_compress():
    batches = Batches(LIMITS)
    for _ in range(20):
        batches.stored(0, posted=1000, stored=1)
    batches.add(piece(1, 1, size=20_000), 0.0)
    assert taken(batches) == [(Range(0, 1, 1), Reason.BYTES)]


def test_each_hour_has_its_own_batch():
    batches = Batches(LIMITS)
    batches.add(piece(1, time=TIME + HOUR - 1), 0.0)
    batches.add(piece(2, time=TIME + HOUR), 0.0)
    assert list(batches.take(0.0)) == [Complete(Range(0, 1, 1), TIME + HOUR - 1, Reason.HOUR)]
    assert list(batches.take(30.0)) == [Complete(Range(0, 2, 2), TIME + HOUR, Reason.AGE)]


def test_a_clock_that_steps_back_makes_more_batches_and_loses_nothing():
    batches = Batches(LIMITS)
    for number, time in enumerate((TIME, TIME + HOUR, TIME), 1):
        batches.add(piece(number, time=time), 0.0)
    ranges = [range_ for range_, _ in taken(batches, stop=True)]
    assert sorted(ranges, key=lambda each: each.first) == [Range(0, n, n) for n in (1, 2, 3)]


def test_streams_grow_side_by_side():
    batches = Batches(LIMITS)
    batches.add(piece(1, 99), 0.0)
    batches.add(piece(100, 5, stream=7), 10.0)
    batches.add(piece(105, 1), 10.0)
    assert taken(batches, 10.0) == [(Range(0, 1, 105), Reason.COUNT)]
    assert taken(batches, 40.0) == [(Range(7, 100, 104), Reason.AGE)]


def test_at_a_stop_all_batches_are_complete():
    batches = Batches(LIMITS)
    batches.add(piece(1), 0.0)
    batches.add(piece(2, stream=1), 0.0)
    assert taken(batches, stop=True) == [(Range(0, 1, 1), Reason.STOP), (Range(1, 2, 2), Reason.STOP)]


def test_the_next_time_to_look_is_when_the_oldest_batch_is_complete():
    batches = Batches(LIMITS)
    assert batches.due(100.0) == 30.0
    batches.add(piece(1), 100.0)
    batches.add(piece(2, stream=1), 110.0)
    assert batches.due(112.0) == 18.0
    assert batches.due(200.0) == 0.0


def test_the_oldest_payload_is_known():
    batches = Batches(LIMITS)
    assert batches.oldest() is None
    batches.add(piece(1, time=TIME + 5), 0.0)
    batches.add(piece(2, stream=1, time=TIME + 3), 0.0)
    assert batches.oldest() == TIME + 3
