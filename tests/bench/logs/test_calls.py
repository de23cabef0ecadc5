import json
import subprocess
import sys

import httpx
import pytest

from headrace.bench.load import Generator
from headrace.bench.logs.scenarios import HANDLERS, call, sink
from headrace.bench.rig import Effort, Rig


@pytest.fixture
def rig(setting):
    """A rig without the backend, which nobody asks."""
    return Rig(setting, Generator(setting.core, setting.folder), 0, Effort(seconds=1, rounds=1))


def test_the_sink_takes_whatever_is_posted(rig):
    with sink(rig, 0.0) as url, httpx.Client() as client:
        assert [client.post(url, content=b"x" * size).status_code for size in (0, 10, 100_000)] == [204] * 3


@pytest.mark.parametrize("delay", [0.0, None])
def test_a_log_call_is_measured_whether_or_not_there_is_a_collector(rig, delay):
    sample = call("added", "headrace", delay, rig)
    assert sample.valid
    assert sample.note.startswith("99.9th percentile ")


def test_the_tail_is_that_of_single_calls(rig, tmp_path):
    assert call("tail", "file", 0.0, rig).value > 0


def test_both_scenarios_of_a_log_call_have_the_same_contestants_and_the_tail_has_nothing_to_be_seen_against():
    added, tail = ([each.name for each in scenario.contestants] for scenario in HANDLERS)
    assert added == ["headrace", "headrace-slow", "headrace-away", "file", "queue", "loki"]
    assert tail == [*added, "null"]


def test_a_handler_of_the_standard_library_writes_all_it_is_given(tmp_path):
    command = [sys.executable, "-m", "headrace.bench.logs.caller", "queue", "", str(tmp_path), "0.1"]
    told = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    assert told["calls"] >= 1000
    lines = (tmp_path / "caller.txt").read_text().splitlines()
    assert lines[0] == "GET /articles/7 gave 200 in 0.0 ms"
