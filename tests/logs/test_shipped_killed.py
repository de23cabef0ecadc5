"""Programs log while their collector is killed, again and again: each entry is in the file once, but for those told."""

import collections
import random
import re
import subprocess
import sys
import time

import pytest

from tests.processes import HEADRACE, Process, environment, free_port, until

WRITERS = 4
KILLS = 10

PROGRAM = """
import logging, sys, time
from pathlib import Path
from headrace.logs import Handler
url, name, stop = sys.argv[1], sys.argv[2], Path(sys.argv[3])
log = logging.getLogger("shop")
log.setLevel(logging.INFO)
handler = Handler(url, name)
log.addHandler(handler)
number = 0
while not stop.exists():
    for _ in range(100):
        log.info("entry %d", number)
        number += 1
    time.sleep(0.02)
end = time.monotonic() + 60
while handler.counts()["spilled"] + handler.counts()["waiting"] and time.monotonic() < end:
    time.sleep(0.05)
print(number, handler.counts()["dropped"], handler.counts()["refused"], flush=True)
"""


@pytest.mark.slow
def test_entries_are_in_the_file_once_though_the_collector_is_killed_ten_times(tmp_path):
    port, state, log, stop = free_port(), tmp_path / "state", tmp_path / "log.txt", tmp_path / "stop"
    collect = [
        *HEADRACE, "logs", "collect", "--address", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0",
        "--file", str(log), "--state", str(state),
    ]  # fmt: skip
    lives = iter(range(KILLS + 1))

    def collector():
        return Process(collect, folder=tmp_path, name=f"collector{next(lives)}", cwd=tmp_path)

    running, writers = collector(), []
    try:
        running.wait_for_line("logs ready")
        for each in range(WRITERS):
            command = [sys.executable, "-c", PROGRAM, f"https://127.0.0.1:{port}", f"writer {each}", str(stop)]
            env = environment({"HEADRACE_HOME": str(state)})
            writers.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True))
        for _ in range(KILLS):
            grown = log.stat().st_size if log.exists() else 0
            time.sleep(random.uniform(0.0, 1.0))
            running.kill()
            running = collector()
            running.wait_for_line("logs ready")
            until(lambda before=grown: log.exists() and log.stat().st_size > before, what="growth of the file")
        stop.touch()
        told = [list(map(int, writer.communicate(timeout=120)[0].split())) for writer in writers]
        assert all(refused == 0 for _, _, refused in told)
        wanted = sum(count - dropped for count, dropped, _ in told)
        until(lambda: log.read_text().count(";entry ") >= wanted, what="whole file")
        assert running.stop(60) == 0
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
        running.kill()
    found = collections.Counter(re.findall(r"^[^;]*;INFO;(writer \d);entry (\d+)$", log.read_text(), re.MULTILINE))
    assert set(found.values()) == {1}
    assert len(found) == wanted
    if not any(dropped for _, dropped, _ in told):
        expected = {(f"writer {each}", str(number)) for each, (count, *_) in enumerate(told) for number in range(count)}
        assert set(found) == expected
