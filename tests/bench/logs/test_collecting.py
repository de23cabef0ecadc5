import dataclasses

import pytest

from headrace.bench.load import Generator
from headrace.bench.logs.collecting import BATCHES, COLLECTING, FLOOR, SINGLE, collected, ours
from headrace.bench.rig import Effort, Rig


@pytest.fixture
def rig(setting):
    """A rig without the backend, which nobody asks."""
    return Rig(setting, Generator(setting.core, setting.folder), 0, Effort(seconds=1, rounds=1))


RATE = COLLECTING[2].contestants


@pytest.mark.parametrize("contestant", [*COLLECTING[0].contestants, *RATE], ids=["ours", "syslog-ng", "rate"])
def test_each_contestant_has_all_that_was_sent_in_its_file(rig, need, contestant):
    need(*contestant.tools)
    sample = contestant.measure(rig)
    assert sample.valid, sample
    assert sample.value > 0
    assert "M entries/s" in sample.note


def test_the_floor_answers_each_request(rig, need):
    need(*FLOOR.tools)
    sample = FLOOR.measure(rig)
    assert sample.valid, sample
    assert sample.value > 0


@pytest.mark.parametrize("way", [BATCHES, SINGLE])
def test_few_entries_are_measured_in_either_way(rig, way):
    sample = collected(ours, dataclasses.replace(way, entries=way.batch * way.connections), rig)
    assert sample.valid, sample
