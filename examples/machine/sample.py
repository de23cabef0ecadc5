"""Samples processes and the kernel from /proc, and posts what was seen to `headrace ingest`.

Example: `python examples/machine/sample.py --url https://localhost:7000 --seconds 60`.
"""

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.ingest import Client

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")  # a second
PAGE = os.sysconf("SC_PAGE_SIZE")  # bytes


@dataclass(frozen=True)
class Process:
    """What `/proc/PID/stat` says: CPU time in seconds since it began (in ticks), resident memory in bytes."""

    name: str
    began: int
    cpu: float
    memory: int


@dataclass(frozen=True)
class Kernel:
    """What `/proc/stat` and its neighbours say; `switches` and `forks` count since the machine was started."""

    load: float
    running: int
    switches: int
    forks: int
    available: int


def processes() -> dict[int, Process]:
    """All processes by their id; those that end meanwhile are left out."""
    found = {}
    for folder in PROC.glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found[int(folder.name)] = read_process((folder / "stat").read_text())
    return found


def read_process(stat: str) -> Process:
    """A process by its line; its name may hold anything, so the last parenthesis ends it (`man 5 proc`).

    Threads of the kernel go by what they are: `kworker/0:1-events` changes its name with what it does.
    """
    name, _, rest = stat.partition("(")[2].rpartition(")")
    fields = rest.split()
    cpu = (int(fields[11]) + int(fields[12])) / TICKS
    return Process(name.partition("/")[0], int(fields[19]), cpu, int(fields[21]) * PAGE)


def kernel() -> Kernel:
    """What the kernel counts as a whole."""
    stat = dict(line.split(maxsplit=1) for line in (PROC / "stat").read_text().splitlines())
    memory = dict(line.split(":") for line in (PROC / "meminfo").read_text().splitlines())
    return Kernel(
        load=float((PROC / "loadavg").read_text().split()[0]),
        running=int(stat["procs_running"]),
        switches=int(stat["ctxt"]),
        forks=int(stat["processes"]),
        available=int(memory["MemAvailable"].split()[0]) * 1024,
    )


def samples(every: float, seconds: float) -> Iterator[dict[str, Any]]:
    """A payload for the kernel and one for each process that used CPU time, every so many seconds."""
    began = then = time.monotonic()
    before, counted = processes(), kernel()
    while then < began + seconds:
        time.sleep(every)
        now, seen, counting = time.monotonic(), processes(), kernel()
        sampled = round(time.time(), 3)
        yield from compare(before, seen, now - then, sampled)
        yield rates(counted, counting, now - then, sampled)
        then, before, counted = now, seen, counting


def compare(
    before: dict[int, Process], after: dict[int, Process], seconds: float, sampled: float
) -> Iterator[dict[str, Any]]:
    """What each process did between two looks; one that wasn't there at the first used all it has."""
    for pid, process in after.items():
        earlier = before.get(pid)
        used = process.cpu - (earlier.cpu if earlier and earlier.began == process.began else 0.0)
        if used > 0:
            yield {
                "kind": "process",
                "sampled": sampled,
                "pid": pid,
                "name": process.name,
                "cpu": round(used / seconds, 3),
                "memory": process.memory,
            }


def rates(before: Kernel, after: Kernel, seconds: float, sampled: float) -> dict[str, Any]:
    """What the kernel did between two looks."""
    return {
        "kind": "kernel",
        "sampled": sampled,
        "load": after.load,
        "running": after.running,
        "switches": round((after.switches - before.switches) / seconds),
        "forks": round((after.forks - before.forks) / seconds),
        "available": after.available,
    }


def main() -> None:
    """Sample and post."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="https://localhost:7000", help="where headrace ingest listens")
    parser.add_argument("--token", default="", help="the collection's token, where one is asked for")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to sample")
    parser.add_argument("--every", type=float, default=0.5, help="seconds between two samples")
    options = parser.parse_args()
    posted = 0
    with Client(options.url, token=options.token) as client:
        for payload in samples(options.every, options.seconds):
            client.send(payload)
            posted += 1
    print(f"{posted} payloads are acknowledged")


if __name__ == "__main__":
    main()
