"""Full log files: which are compressed, which are removed, and what is left when that fails."""

import os
from pathlib import Path

import pytest

from headrace.logs.archive import Archive, Full, Policy, find, plan

DAY = 86400.0


def full(number: int, *, size: int = 100, written: float = 0.0, plain: bool = True) -> Full:
    return Full(Path(f"log-20261123-154000-{number:04}.txt"), size, written, plain)


def test_files_are_compressed_once() -> None:
    files = [full(1, plain=False), full(2)]
    assert plan(files, Policy(), 0.0).compress == (files[1],)
    assert plan(files, Policy(compress=False), 0.0).compress == ()


def test_files_are_removed_when_their_last_line_is_too_old() -> None:
    files = [full(1, written=0.0), full(2, written=DAY), full(3, written=2 * DAY)]
    found = plan(files, Policy(keep=DAY), 2.5 * DAY)
    assert (found.remove, found.compress) == ((files[0], files[1]), (files[2],))


def test_the_oldest_files_go_when_all_are_too_large() -> None:
    files = [full(1), full(2, size=1), full(3, size=150), full(4)]
    assert plan(files, Policy(keep_bytes=250), 0.0).remove == (files[0], files[1])
    assert plan(files, Policy(keep_bytes=251), 0.0).remove == (files[0],)
    assert plan(files, Policy(), 0.0).remove == ()


def test_no_older_file_is_kept_behind_one_that_goes() -> None:
    files = [full(1, size=1), full(2, size=500), full(3)]
    assert plan(files, Policy(keep_bytes=250), 0.0).remove == (files[0], files[1])


def write(folder: Path, name: str, content: bytes = b"2026-11-23 15:40:00;INFO;a;b\n", *, written: float = 0.0) -> Path:
    path = folder / name
    path.write_bytes(content)
    if written:
        os.utime(path, (written, written))
    return path


def test_full_files_are_found_in_order_and_others_are_not(tmp_path: Path) -> None:
    for name in [
        "log.txt",
        "log.txt.late",
        "log-20261123-154000-0002.txt.zst",
        "log-20261123-154000-10000.txt",
        "log-20261122-154000-0001.txt",
        "log-20261122-154000-0001.txt.late",
        "log-notes.txt",
        "other-20261122-154000-0001.txt",
    ]:
        write(tmp_path, name, b"12345")
    found = [(file.path.name, file.size, file.plain) for file in find(tmp_path / "log.txt")]
    assert found == [
        ("log-20261122-154000-0001.txt", 10, True),
        ("log-20261123-154000-0002.txt", 5, False),
        ("log-20261123-154000-10000.txt", 5, True),
    ]
    assert find(tmp_path / "missing" / "log.txt") == []


def test_a_tidied_folder_has_compressed_files_of_the_same_age(tmp_path: Path) -> None:
    write(tmp_path, "log.txt")
    write(tmp_path, "log-20261123-154000-0001.txt", written=1000.0)
    write(tmp_path, "log-20261123-154000-0001.txt.late")
    archive = Archive(tmp_path / "log.txt", Policy())
    archive.tidy()
    archive.tidy()
    names = ["log-20261123-154000-0001.txt.late.zst", "log-20261123-154000-0001.txt.zst", "log.txt"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    assert (tmp_path / names[1]).stat().st_mtime == 1000.0
    assert archive.fault == ""


def test_a_file_is_removed_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    write(tmp_path, "log.txt")
    for suffix in ["", ".late", ".zst", ".zst.new", ".late.zst", ".late.zst.new"]:
        write(tmp_path, f"log-20261123-154000-0001.txt{suffix}", written=1000.0)
    Archive(tmp_path / "log.txt", Policy(keep=DAY)).tidy()
    assert [file.name for file in tmp_path.iterdir()] == ["log.txt"]


def test_what_cannot_be_compressed_stays_and_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stays = write(tmp_path, "log-20261123-154000-0001.txt")
    (tmp_path / "log-20261123-154000-0001.txt.zst").mkdir()
    archive = Archive(tmp_path / "log.txt", Policy())
    archive.tidy()
    archive.tidy()
    assert stays.exists()
    assert str(stays) in archive.fault
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


def test_the_archive_ends_when_it_is_closed(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "log.txt", Policy(), interval=3600.0)
    archive.start()
    archive.close()
    Archive(tmp_path / "log.txt", Policy()).close()
