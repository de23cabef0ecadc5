"""A process that writes a log file is killed again and again: each acknowledged entry is in it once, in order."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

from . import log_file_writer
from .log_file_writer import open_file

if TYPE_CHECKING:
    from pathlib import Path

KILLS = int(os.environ.get("HEADRACE_LOG_KILLS", "10"))


def run_until_killed(folder: Path, name: str, lines: int) -> list[str]:
    """The names of acknowledged entries of a process that is killed after at least so many acknowledgements."""
    command = [sys.executable, log_file_writer.__file__, str(folder), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        opened = process.stdout.readline()
        told = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
    assert (opened, process.returncode) == ("open\n", -signal.SIGKILL), name
    return [entry for line in told if line.endswith("\n") for entry in line.split()]


def lines_of(folder: Path) -> list[tuple[str, bool]]:
    """All lines in the order in which they were written, and whether they are marked as late."""
    found = []
    # The file that is written sorts behind those with a date.
    for path in sorted(folder.glob("log*.txt")):
        side = path.with_name(path.name + ".late")
        marks = side.read_bytes().splitlines() if side.exists() else []
        late = {int(mark.split(b";", 1)[0]) for mark in marks}
        place = 0
        for line in path.read_bytes().splitlines(keepends=True):
            assert line.endswith(b"\n"), "no half line"
            found.append((line.decode().rstrip("\n"), place in late))
            place += len(line)
    return found


def test_what_was_acknowledged_is_in_the_file_once_and_in_order_however_often_the_process_is_killed(
    tmp_path: Path,
) -> None:
    chance = random.Random(1)
    acknowledged: set[str] = set()
    for kill in range(KILLS):
        acknowledged.update(run_until_killed(tmp_path, f"run{kill}", chance.randrange(1, 300)))
    journal, file = open_file(tmp_path)
    file.close(60.0)
    assert file.status().fault == ""
    assert journal.status().unlanded == 0
    journal.close()
    lines = lines_of(tmp_path / "log")
    names = Counter(line.split(";")[1] for line, _ in lines)
    assert acknowledged <= names.keys(), "each is there"
    assert set(names.values()) == {1}, "once"
    times = [line.split(";")[0] for line, late in lines if not late]
    assert times == sorted(times), "in order"
    assert len(list((tmp_path / "log").glob("log-*.txt"))) > 1, "files were full"
