"""Appends to a journal and lands what is in it until it is killed. What is acknowledged is told on stdout, a line each.

`python journal_writer.py FOLDER OBJECTS NAME`: payloads begin with an id that begins with NAME; what lands is a file of
OBJECTS, named after its range.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from pathlib import Path

from headrace._core import Journal, Seal

WRITERS = 3


def open_journal(folder: str | Path) -> Journal:
    """Small segments, so that many begin and go."""
    return Journal(folder, segment_bytes=65536, max_bytes=1 << 24, reserve_bytes=0)


def post(journal: Journal, name: str) -> None:
    """Appends three payloads at a time, for ever."""
    for number in itertools.count():
        ids = [f"{name}-{number}-{part}" for part in range(3)]
        first, last = journal.append([payload(identity) for identity in ids])
        os.write(1, f"{first} {last} {' '.join(ids)}\n".encode())


def payload(identity: str) -> bytes:
    """What is posted under an id."""
    return f"{identity} {'x' * (hash_of(identity) % 900)}".encode()


def hash_of(identity: str) -> int:
    """The same number in every process."""
    return sum(ord(letter) * place for place, letter in enumerate(identity, 1))


def land_sealed(journal: Journal, objects: Path) -> None:
    """Lands what was sealed before."""
    for seal in journal.sealed():
        land(journal, objects, seal)


def land_open(journal: Journal, objects: Path, first: int) -> int:
    """Seals and lands what is open from `first` on; where to go on."""
    for piece in journal.open_from(first, max_payloads=20, max_bytes=1 << 20):
        land(journal, objects, journal.seal(piece.stream, piece.first, piece.last, b"note"))
        first = max(first, piece.last + 1)
    return first


def land(journal: Journal, objects: Path, seal: Seal) -> None:
    """The same range becomes the same file, however often."""
    assert seal.note == b"note"
    pieces = journal.read(seal.stream, seal.first, seal.last)
    unfinished = objects / "unfinished"
    unfinished.write_bytes(b"".join(piece.lines for piece in pieces))
    unfinished.replace(objects / f"{seal.first}-{seal.last}")
    journal.landed(seal.id)


def main(folder: str, objects: Path, name: str) -> None:
    journal = open_journal(folder)
    assert not journal.damage, journal.damage
    print("open", flush=True)
    for writer in range(WRITERS):
        threading.Thread(target=post, args=(journal, f"{name}-{writer}"), daemon=True).start()
    land_sealed(journal, objects)
    first = 1
    while True:
        journal.wait(first, 1.0)
        first = land_open(journal, objects, first)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
