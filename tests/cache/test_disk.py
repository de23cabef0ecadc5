"""`disk://`: bounded, shared by processes, and back after whatever happened to it."""

import multiprocessing
import os
import sqlite3

import pytest

from headrace.cache.disk import DiskBackend
from headrace.cache.errors import AwayError, RefusedError


@pytest.fixture
def disk(tmp_path):
    backend = DiskBackend(tmp_path, max_bytes=1 << 20, wait=20)
    yield backend
    backend.close()


def test_values_outlive_the_process(disk, tmp_path):
    disk.set("k", b"1", ttl=60)
    disk.close()
    assert disk.get("k").value == b"1"


def test_the_oldest_make_room(disk, tmp_path):
    for at in range(300):
        disk.set(f"k{at}", b"x" * 10_000, ttl=60, tags=["t"])
    kept = [at for at in range(300) if disk.get(f"k{at}")]
    assert kept == list(range(300 - len(kept), 300))
    assert 90 < len(kept) < 105
    assert disk.invalidate(tag="t") == len(kept)


def test_the_expired_make_room_first(tmp_path):
    now = [1000.0]
    disk = DiskBackend(tmp_path, max_bytes=1 << 20, clock=lambda: now[0])
    disk.set("oldest", b"x" * 100_000, ttl=1000)
    disk.set("expires", b"x" * 800_000, ttl=10)
    now[0] += 11
    disk.set("new", b"x" * 800_000, ttl=10)
    assert disk.get("oldest") is not None
    disk.close()


def write(folder, worker):
    disk = DiskBackend(folder, max_bytes=1 << 24, wait=60)
    for at in range(200):
        disk.set(f"{worker}:{at}", f"{at}".encode(), ttl=60, tags=["all"])
        disk.set("shared", f"{worker}".encode() * 1000, ttl=60)
        assert len(set(disk.get("shared").value)) == 1
    disk.close()


def test_of_several_what_is_too_large_is_refused_and_the_others_are_kept(tmp_path):
    backend = DiskBackend(tmp_path, max_bytes=100_000)
    with pytest.raises(RefusedError, match="'large': its 200000 bytes"):
        backend.set_many({"a": b"1", "large": b"x" * 200_000, "b": b"2"}, ttl=60)
    assert backend.get_many(["a", "large", "b"]).keys() == {"a", "b"}
    backend.close()


def test_processes_share_it(disk, tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=write, args=(tmp_path, worker)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert disk.invalidate(tag="all") == 800


def test_a_child_begins_anew_and_leaves_its_parents_connection_alone(disk):
    disk.set("k", b"1", ttl=60)
    child = os.fork()
    if child == 0:
        good = disk.get("k").value == b"1" and disk.set("k", b"2", ttl=60)
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert disk.get("k").value == b"2"


def test_a_damaged_database_is_set_aside_and_a_new_one_begun(tmp_path):
    (tmp_path / "cache.db").write_bytes(b"this is no database" * 1000)
    disk = DiskBackend(tmp_path, max_bytes=1 << 20)
    with pytest.raises(AwayError):
        disk.get("k")
    disk.set("k", b"1", ttl=60)
    assert disk.get("k").value == b"1"
    assert (tmp_path / "cache.db.damaged").exists()
    disk.close()


def test_a_folder_that_cannot_be_made_is_an_absence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AwayError):
        DiskBackend(tmp_path / "file" / "below", max_bytes=1 << 20).get("k")


def test_a_database_that_is_locked_for_long_is_an_absence(tmp_path):
    disk = DiskBackend(tmp_path, max_bytes=1 << 20, wait=0.05)
    disk.set("k", b"1", ttl=60)
    other = sqlite3.connect(tmp_path / "cache.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(AwayError):
        disk.set("k", b"2", ttl=60)
    other.execute("ROLLBACK")
    other.close()
    assert disk.set("k", b"2", ttl=60)
    disk.close()
