"""The program in `examples/cache` says the same with a cache and without."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "cache" / "shop.py"


@pytest.mark.parametrize(
    ("url", "counted"),
    [("disk://{folder}/kept", "1 hits, 0 failures"), ("http://127.0.0.1:1", "0 hits, 5 failures")],
)
def test_the_example_runs_with_a_cache_and_without(tmp_path, url, counted):
    environ = {**os.environ, "HEADRACE_CACHE_URL": url.format(folder=tmp_path), "HEADRACE_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(",")[0] for line in lines[:2]] == ["mill: 400 cents"] * 2
    assert lines[-1] == f"counted: {counted}"
