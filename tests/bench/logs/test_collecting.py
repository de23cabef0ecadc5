import dataclasses

import pytest

from headrace.bench.load import Generator
from headrace.bench.logs.collecting import BATCHES, COLLECTING, SINGLE, collected, ours
from headrace.bench.rig import Effort, Rig


@pytest.fixture
def rig(setting):
    """A rig without the backend, which nobody asks."""
    return Rig(setting, Generator(setting.core, setting.folder), 0, Effort(seconds=1, rounds=1))


@pytest.mark.parametrize("contestant", COLLECTING[0].contestants, ids=lambda each: each.name)
def test_each_contestant_has_all_that_was_sent_in_its_file(rig, need, contestant):
    need(*contestant.tools)
    sample = contestant.measure(rig)
    assert sample.valid, sample
    assert sample.value > 0
    assert "M entries/s" in sample.note


@pytest.mark.parametrize("way", [BATCHES, SINGLE])
def test_few_entries_are_measured_in_either_way(rig, way):
    sample = collected(ours, dataclasses.replace(way, entries=way.batch * way.connections), rig)
    assert sample.valid, sample
