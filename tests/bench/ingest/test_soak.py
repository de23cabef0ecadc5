import dataclasses
import time

import pytest

from headrace.bench.ingest.soak import MEMORY, OLDEST, QUEUE, growth, soak
from headrace.bench.ingest.watch import watched
from headrace.bench.tools import WRK


def test_growth_is_from_half_to_half_and_one_outlier_is_none():
    assert growth([(n, 100.0) for n in range(9)] + [(9, 900.0)]) == 0.0
    assert growth([(0, 100.0), (1, 100.0), (2, 160.0), (3, 160.0)]) == 60.0


def test_what_is_watched_is_read_until_the_block_ends_and_failures_are_left_out():
    values = iter(range(100))

    def read():
        value = next(values)
        if value == 1:
            raise OSError("busy")
        return {"value": float(value)}

    deadline = time.monotonic() + 10
    with watched(read, 0.01) as series:
        while len(series.get("value", ())) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    read_so_far = list(series["value"])
    assert [value for _, value in read_so_far][:3] == [0.0, 2.0, 3.0]
    assert sorted(at for at, _ in read_so_far) == [at for at, _ in read_so_far]
    time.sleep(0.05)
    assert series["value"] == read_so_far


@pytest.mark.slow
def test_a_soak_watches_memory_queue_and_lag(rig, need):
    need(WRK)
    sample = soak(dataclasses.replace(rig, effort=dataclasses.replace(rig.effort, seconds=3)))
    assert sample.valid, sample
    assert sample.series.keys() == {MEMORY, QUEUE, OLDEST}
    assert all(len(points) >= 2 for points in sample.series.values())
