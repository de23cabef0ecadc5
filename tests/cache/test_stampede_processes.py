"""A thousand callers in threads and tasks of four processes want the same: the function is called once."""

import subprocess
import sys
from pathlib import Path

PROCESSES, CALLERS = 4, 250
PROGRAM = Path(__file__).with_name("stampede_process.py")


def test_a_thousand_callers_of_four_processes_cause_one_call(tmp_path):
    calls = tmp_path / "calls"
    command = [sys.executable, str(PROGRAM), f"disk://{tmp_path}/cache", str(calls), str(CALLERS)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
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
