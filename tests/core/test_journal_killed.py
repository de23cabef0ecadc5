"""A process that appends to a journal and lands from it is killed again and again: what it acknowledged is not lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

from . import journal_writer
from .journal_writer import land_open, land_sealed, open_journal, payload

if TYPE_CHECKING:
    from pathlib import Path

KILLS = int(os.environ.get("HEADRACE_JOURNAL_KILLS", "30"))


def run_until_killed(folder: Path, objects: Path, name: str, lines: int) -> list[list[str]]:
    """The words of each acknowledgement of a process that is killed after at least so many of them."""
    command = [sys.executable, journal_writer.__file__, str(folder), str(objects), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        opened = process.stdout.readline()
        told = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
    assert (opened, process.returncode) == ("open\n", -signal.SIGKILL), name
    return [line.split() for line in told if line.endswith("\n")]


def test_what_was_acknowledged_lands_once_and_whole_however_often_the_process_is_killed(tmp_path: Path) -> None:
    folder, objects = tmp_path / "journal", tmp_path / "objects"
    objects.mkdir()
    chance = random.Random(1)
    acknowledged: dict[int, str] = {}
    for kill in range(KILLS):
        for first, last, *ids in run_until_killed(folder, objects, f"run{kill}", chance.randrange(1, 150)):
            numbered = dict(zip(range(int(first), int(last) + 1), ids, strict=True))
            assert not acknowledged.keys() & numbered.keys(), "a number is given once"
            acknowledged |= numbered
    journal = open_journal(folder)
    assert not journal.damage
    land_sealed(journal, objects)
    first = 1
    while journal.status().unlanded:
        first = land_open(journal, objects, first)
    journal.close()
    landed = [line for path in objects.glob("*-*") for line in path.read_bytes().splitlines()]
    ids = Counter(line.split()[0].decode() for line in landed)
    assert set(acknowledged.values()) <= ids.keys(), "each is there"
    assert set(ids.values()) == {1}, "once"
    assert all(line == payload(line.split()[0].decode()) for line in landed), "whole"
