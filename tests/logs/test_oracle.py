"""What the collector promises, judged from outside: writers whose clocks disagree and step, a collector that is killed.

Each writer keeps book of what was acknowledged. In the end each acknowledged entry is in the file once, no other twice,
and but for the lines that are marked as late each line's time is at or above that of the line before.

`HEADRACE_ORACLE_KILLS` (2) and `HEADRACE_ORACLE_ENTRIES` (4000) make it longer.
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import free_port, until

from .collector_process import Collector, collector

pytest.importorskip("headrace._core", reason="the compiled core is not installed")

KILLS = int(os.environ.get("HEADRACE_ORACLE_KILLS", "2"))
ENTRIES = int(os.environ.get("HEADRACE_ORACLE_ENTRIES", "4000"))
WRITERS = 8
BATCH = 25
SECOND = 1_000_000_000
PATIENCE = 120.0 + ENTRIES / 1000  # seconds


class Writer(threading.Thread):
    """Posts its share of the entries, each batch until it is acknowledged; its clock is wrong by `skew` seconds."""

    def __init__(self, number: int, url: str, token: str) -> None:
        super().__init__(name=f"writer {number}")
        self.number = number
        self.url, self.token = url, token
        self.skew = (number - WRITERS / 2) * 0.6
        self.random = random.Random(number)
        self.acknowledged: list[str] = []
        self.deadline = time.monotonic() + PATIENCE

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=10) as client:
            for start in range(0, ENTRIES // WRITERS, BATCH):
                messages = [f"{self.number}-{n}" for n in range(start, start + BATCH)]
                self.insist(client, messages)
                time.sleep(self.random.uniform(0, 0.02))

    def insist(self, client: httpx.Client, messages: list[str]) -> None:
        if self.random.random() < 0.05:
            self.skew -= self.random.uniform(-1.0, 1.0)  # somebody sets the clock
        entries = [{"Timestamp": self.now(), "Source": f"writer {self.number}", "Message": each} for each in messages]
        key = {"Idempotency-Key": f"{self.number}-{messages[0]}"}
        while time.monotonic() < self.deadline:
            try:
                answer = client.post("/", json=entries, headers=key)
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code == 200:
                self.acknowledged += messages
                return
            assert answer.status_code in (409, 503), answer.text
            time.sleep(0.05)

    def now(self) -> str:
        return str(time.time_ns() + int((self.skew + self.random.uniform(-0.3, 0.3)) * SECOND))


@pytest.mark.timeout(PATIENCE * 2 + 120)
def test_each_acknowledged_entry_is_in_the_file_once_and_order_is_broken_by_marked_lines_only(tmp_path):
    port = free_port()
    flags = ["--address", f"127.0.0.1:{port}", "--line", "{time:ns};{source};{message}", "--rotate-bytes", "64k"]
    flags += ["--window", "1s"]
    writers: list[Writer] = []
    for life in range(KILLS + 1):
        with collector(tmp_path, *flags, environ={"HEADRACE_LOGS_COMPRESS": "false"}) as service:
            if not writers:
                writers = [Writer(number, service.url, service.token) for number in range(WRITERS)]
                for writer in writers:
                    writer.start()
            if life < KILLS:
                wait_for_progress(writers, life)
                service.stop(signal.SIGKILL)
            else:
                for writer in writers:
                    writer.join(PATIENCE)
                until_written(service)
                assert service.stop() == 0
    judge(tmp_path, writers)


def wait_for_progress(writers: list[Writer], life: int) -> None:
    """Until that life's share of the entries is acknowledged, or nobody writes any more."""
    share = ENTRIES * (life + 1) // (KILLS + 2)

    def enough() -> bool:
        done = sum(len(writer.acknowledged) for writer in writers)
        return done >= share or not any(writer.is_alive() for writer in writers)

    until(enough, PATIENCE, "progress")


def until_written(service: Collector) -> None:
    until(lambda: service.status()["in_window"] == 0 and service.status()["waiting"] == 0, PATIENCE, "written window")


def judge(folder: Path, writers: list[Writer]) -> None:
    acknowledged = Counter(message for writer in writers for message in writer.acknowledged)
    assert sum(acknowledged.values()) == ENTRIES // WRITERS // BATCH * BATCH * WRITERS, "not all were acknowledged"
    found: Counter[str] = Counter()
    last = ""
    for line, is_late in marked_lines(folder / "log"):
        stamp, _, message, *_ = line.split(";")  # with fields where the time was too far ahead
        found[message] += 1
        if not is_late:
            assert stamp >= last, f"{line} stands behind {last} and is not marked"
            last = stamp
    assert found == acknowledged


def marked_lines(folder: Path) -> Iterator[tuple[str, bool]]:
    """The lines of all files in their order, and whether each is marked as late."""
    for file in [*sorted(folder.glob("log-*.txt")), folder / "log.txt"]:
        if not file.exists():
            continue
        side = file.with_name(file.name + ".late")
        marks = side.read_text().splitlines() if side.exists() else []
        late = {int(offset): line for offset, _, line in (mark.partition(";") for mark in marks)}
        at = 0
        for line in file.read_text().splitlines(keepends=True):
            assert line.endswith("\n"), "half a line"
            marked = late.pop(at, None)
            assert marked in (None, line.rstrip("\n")), "a mark of another line"
            yield line.rstrip("\n"), marked is not None
            at += len(line.encode())
        assert not late, "marks of no line"
