"""Appends entries to a journal whose log file is written meanwhile, and prints the names of those that are safe.

python log_file_writer.py FOLDER NAME
"""

import random
import struct
import sys
import time
from pathlib import Path

from headrace._core import Journal, LogFile

LINE = "{time:ns};{message}"


def encode(when: int, message: str) -> bytes:
    """An entry as it waits in the journal: time in nanoseconds, no mark, level, source; then the message."""
    text = message.encode()
    return struct.pack("<qBBHI", when, 0, 0, 0, len(text)) + text


def open_file(folder: Path) -> tuple[Journal, LogFile]:
    """Files of a few kilobytes, a window of a fifth of a second."""
    journal = Journal(folder / "journal", segment_bytes=65536, max_bytes=1 << 24, reserve_bytes=0)
    checkpoint = folder / "journal" / "order.checkpoint"
    path = folder / "log" / "log.txt"
    return journal, LogFile(journal, path, checkpoint=checkpoint, line=LINE, window=0.2, rotate_bytes=20_000)


def main(folder: Path, name: str) -> None:
    chance = random.Random(name)
    journal, _file = open_file(folder)
    print("open", flush=True)
    for number in range(1_000_000):
        names = [f"{name}-{number}-{index}" for index in range(chance.randrange(1, 8))]
        # Up to 0.3 s old: some are late.
        entries = [encode(time.time_ns() - chance.randrange(300_000_000), name) for name in names]
        journal.append(entries)
        print(*names, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
