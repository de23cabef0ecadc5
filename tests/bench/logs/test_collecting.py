import dataclasses
import functools

import pytest

from headrace.bench.load import Generator
from headrace.bench.logs.collecting import BATCHES, COLLECTING, FLOOR, LINES, SINGLE, collected, ours
from headrace.bench.rig import Effort, Rig


@pytest.fixture
def rig(setting):
    """A rig without the backend, which nobody asks."""
    return Rig(setting, Generator(setting.core, setting.folder), 0, Effort(seconds=1, rounds=1))


BY_NAME = {scenario.name: scenario for scenario in COLLECTING}
MEASURED = [each for name in ("logs-batches", "logs-syslog", "logs-rate") for each in BY_NAME[name].contestants]
NAMES = ["ours", "syslog-ng", "our-syslog", "syslog-ng-single", "rate"]


def test_only_the_row_whose_floor_is_above_its_target_has_none():
    targets = {name: scenario.target for name, scenario in BY_NAME.items()}
    assert targets == {"logs-batches": 0.5, "logs-syslog": 0.5, "logs-single": None, "logs-rate": None}


@pytest.mark.parametrize("contestant", MEASURED, ids=NAMES)
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


@pytest.mark.parametrize(("way", "kind"), [(BATCHES, "post"), (SINGLE, "post"), (LINES, "syslog")])
def test_few_entries_are_measured_in_each_way(rig, way, kind):
    sample = collected(
        functools.partial(ours, kind=kind), dataclasses.replace(way, entries=way.batch * way.connections), rig
    )
    assert sample.valid, sample
