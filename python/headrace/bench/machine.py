"""The machine that a run is made on, and whether others are using it."""

import os
import platform
import time
from pathlib import Path

BUSY = 0.1  # share of the machine from which figures deserve a warning
IDLE_FIELDS = (3, 4)  # idle and waiting for a disk, in the first line of /proc/stat


def describe() -> dict[str, str]:
    """Processor, cores and versions, as texts."""
    cores = len(os.sched_getaffinity(0))
    shared = "" if cores > 1 else ", which the load shares with what is measured"
    return {
        "processor": _processor(),
        "cores": f"{cores}{shared}",
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
    }


def busy_share(seconds: float = 1.0) -> float:
    """The share of all cores that was used during the next `seconds` (source: proc(5), `/proc/stat`)."""
    idle, total = _ticks()
    time.sleep(seconds)
    idle_later, total_later = _ticks()
    return 1 - (idle_later - idle) / max(total_later - total, 1)


def _ticks() -> tuple[int, int]:
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return sum(fields[at] for at in IDLE_FIELDS), sum(fields)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
