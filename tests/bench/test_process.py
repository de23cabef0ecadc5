import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.bench.process import cpu_of, family, memory_of, pinned, running
from headrace.errors import OperationError
from tests.processes import until

CORE = min(os.sched_getaffinity(0))
# A parent whose child ignores SIGTERM, as a stuck worker would.
CHILD = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdout=subprocess.PIPE)
child.stdout.readline()
print("ready", flush=True)
time.sleep(60)
"""


def alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def python(code):
    return [sys.executable, "-c", code]


def test_nothing_of_a_process_is_left_after_the_block(tmp_path):
    with running("parent", python(PARENT), tmp_path, CORE) as process:
        until(lambda: "ready" in process.log.read_text())
        pids = family(process.pid)
        assert len(pids) == 2
    until(lambda: not any(map(alive, pids)))


def test_a_process_ends_with_the_one_that_started_it(tmp_path):
    start = f"subprocess.Popen({pinned(['sleep', '60'], CORE)!r})"
    starter = f"import subprocess, time; print({start}.pid, flush=True); time.sleep(60)"
    parent = subprocess.Popen(python(starter), stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    # Only what has become `sleep` has already been told whose death to follow.
    until(lambda: Path(f"/proc/{child}/comm").read_text().strip() == "sleep")
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    until(lambda: not alive(child))


def test_a_process_runs_on_its_core_alone(tmp_path):
    with running("sleep", ["sleep", "60"], tmp_path, CORE) as process:
        until(lambda: Path(f"/proc/{process.pid}/comm").read_text().strip() == "sleep")
        assert os.sched_getaffinity(process.pid) == {CORE}


def test_the_time_and_memory_of_children_count(tmp_path):
    child = "data = b'x' * 40_000_000\nwhile True: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with running("busy", python(code), tmp_path, CORE) as process:
        until(lambda: cpu_of([process.pid]).total > 0.5)
        assert memory_of(process.pid) > 40_000_000


def test_one_that_has_ended_is_told_with_its_last_words(tmp_path):
    with running("broken", python("raise SystemExit('no such directive')"), tmp_path, CORE) as process:
        process.popen.wait(10)
        with pytest.raises(OperationError, match="broken ended with 1: no such directive"):
            process.check()
        with pytest.raises(OperationError, match="has ended"):
            cpu_of([process.pid])
