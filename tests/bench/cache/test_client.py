import contextlib
import json
import subprocess
import sys

import pytest

from headrace.bench.cache import client
from headrace.bench.cache.client import CLIENT
from headrace.bench.load import Generator
from headrace.bench.peer import Setting
from headrace.bench.rig import Effort, Rig
from tests.cache.cache_process import TOKEN, cache_process


@pytest.mark.parametrize("kind", ["headrace", "headrace-async", "floor"])
def test_a_get_is_measured(tmp_path, kind):
    from headrace import Cache

    with cache_process(tmp_path / "service") as running:
        with Cache(running.url, token=TOKEN, serializer="bytes", timeout=10) as cache:
            assert cache.set("post:3", b"x" * 1024, ttl=60)
        command = [sys.executable, "-m", "headrace.bench.cache.getter", kind, running.url, TOKEN, "0.1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    told = json.loads(done.stdout)
    assert told["wall"] > 0
    assert told["cpu"] > 0


@pytest.mark.parametrize(("name", "core"), [("cache-client", 3), ("cache-client-cpu", 3), ("cache-apart", 5)])
def test_program_and_server_share_a_core_but_where_a_row_is_about_two(tmp_path, monkeypatch, name, core):
    scenario = next(each for each in CLIENT if each.name == name)
    seen = []
    monkeypatch.setattr(client, "pinned", lambda command, core: seen.append(core) or ["echo", '{"wall": 1, "cpu": 1}'])
    rig = Rig(Setting(3, tmp_path, tmp_path), Generator(5, tmp_path), 0, Effort(seconds=1))
    client.get("wall", "floor", lambda _: contextlib.nullcontext("http://nowhere"), rig, **placed(scenario))
    assert seen == [core]


def placed(scenario):
    """Where the row has the program run."""
    (told,) = {each.measure.keywords["apart"] for each in scenario.contestants}
    return {"apart": told}
