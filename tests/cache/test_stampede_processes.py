"""A thousand callers in threads and tasks of four processes want the same: the function is called once."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import environment

from .cache_process import TOKEN, cache_process

PROCESSES, CALLERS = 4, 250
PROGRAM = Path(__file__).with_name("stampede_process.py")


@pytest.fixture(params=["disk", "http"])
def url(request, tmp_path):
    """Where all processes have their values: a folder, or a cache server."""
    with contextlib.ExitStack() as started:
        if request.param == "disk":
            yield f"disk://{tmp_path}/cache"
        else:
            yield started.enter_context(cache_process(tmp_path / "service")).url


def test_a_thousand_callers_of_four_processes_cause_one_call(url, tmp_path):
    calls = tmp_path / "calls"
    command = [sys.executable, str(PROGRAM), url, str(calls), str(CALLERS)]
    own = environment({"HEADRACE_CACHE_TOKEN": TOKEN})
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own)
        for _ in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        counts = [process.communicate(timeout=120)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert counts == [f"{CALLERS // 2} {CALLERS // 2}\n"] * PROCESSES
    assert sorted(line.split()[0] for line in calls.read_text().splitlines()) == ["coroutine", "function"]
