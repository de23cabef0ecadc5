"""A journal on a small file system of its own: it refuses before the disk is full, and goes on when there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from headrace._core import Journal, JournalError

from .wire import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEBIBYTE = 1 << 20
SIZE = 8 * MEBIBYTE
RESERVE = 2 * MEBIBYTE
PAYLOAD = b"x" * 65536


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An empty file system of `SIZE` bytes."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small file system")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def open_journal(disk: Path) -> Journal:
    return Journal(disk / "journal", segment_bytes=MEBIBYTE, max_bytes=1 << 30, reserve_bytes=RESERVE)


def refusal(journal: Journal, payload: bytes = b"more") -> str:
    """Why the payload is refused; empty when it is taken."""
    try:
        journal.append([payload])
    except JournalError as error:
        return str(error)
    return ""


def append_until_refused(journal: Journal) -> int:
    """How many payloads were taken until the disk was called full."""
    for taken in range(SIZE // len(PAYLOAD)):
        if why := refusal(journal, PAYLOAD):
            assert "disk is full" in why
            return taken
    raise AssertionError("it never refused")


def land_all(journal: Journal) -> int:
    """How many payloads could be read and have landed."""
    first = count = 0
    while pieces := journal.open_from(first, max_payloads=100, max_bytes=MEBIBYTE):
        for piece in pieces:
            count += journal.landed(journal.seal(piece.stream, piece.first, piece.last, b"").id)
            first = piece.last + 1
    return count


def test_it_refuses_before_the_disk_is_full_and_goes_on_when_something_landed(disk: Path) -> None:
    journal = open_journal(disk)
    taken = append_until_refused(journal)
    assert taken > 60
    assert shutil.disk_usage(disk).free >= RESERVE - MEBIBYTE // 8, "the reserve is left to others"
    assert journal.status().health[0] == "disk full"
    assert journal.status().counts["failed"] == 0, "refused before anything was harmed"
    assert land_all(journal) == taken
    assert eventually(lambda: not refusal(journal))
    assert journal.status().health == ("good", "")
    journal.close()


def test_one_that_others_have_filled_can_be_opened_and_read_and_goes_on_when_they_leave(disk: Path) -> None:
    journal = open_journal(disk)
    numbers = journal.append([b"1", b"2", b"3"])
    journal.close()
    with (disk / "others").open("wb") as others:
        os.posix_fallocate(others.fileno(), 0, shutil.disk_usage(disk).free)
    journal = open_journal(disk)
    assert [piece.lines for piece in journal.read(0, *numbers)] == [b"1\n2\n3\n"]
    assert "disk is full" in refusal(journal)
    with pytest.raises(JournalError, match="cannot be written: No space left"):
        journal.seal(0, 1, 3, b"")
    (disk / "others").unlink()
    assert eventually(lambda: not refusal(journal))
    assert land_all(journal) == 4
    journal.close()
