import json
import subprocess
import sys

import pytest

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
