"""The cache's store as Python calls it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from headrace._core import CoreError, Store

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_set_is_found_under_text_and_its_bytes() -> None:
    store = Store(max_bytes=1 << 20)
    assert store.set("käse", b"value", 60, 30) is True
    found = store.get("käse".encode())
    assert found is not None
    value, age, fresh_for, stale_for, version = found
    assert (value, stale_for) == (b"value", 30)
    assert 0 <= age < 30 < fresh_for <= 60
    assert version > 0
    assert store.get("other") is None


def test_tags_and_prefixes_invalidate_what_they_name() -> None:
    store = Store()
    store.set("post:1", b"1", 60, tags=["posts"])
    store.set("post:2", b"2", 60)
    assert store.invalidate_tag("posts") == 1
    assert store.get("post:1") is None
    assert store.invalidate_prefix("post:") == 1
    assert store.remove("post:2") is False
    assert store.stats()["entries"] == 0


def test_softly_invalidated_values_are_stale() -> None:
    store = Store()
    store.set("a", b"1", 60, 30)
    assert store.remove("a", soft=True) is True
    found = store.get("a")
    assert found is not None
    assert found[2] == 0
    assert 0 < found[3] <= 30


def test_one_thread_computes_and_the_others_wait_for_its_value() -> None:
    store = Store()
    found, lease = store.lease("a", 60)
    assert found is None
    assert lease != 0
    assert store.lease("a", 60) == (None, 0)
    woken: list[bool] = []
    waiting = [threading.Thread(target=lambda: woken.append(store.wait("a", 60))) for _ in range(4)]
    for thread in waiting:
        thread.start()
    assert store.set("a", b"1", 60, lease=lease) is True
    for thread in waiting:
        thread.join(60)
    assert woken == [True] * 4
    assert store.set("a", b"2", 60, lease=lease) is False


def test_waiting_ends_with_the_time_given() -> None:
    store = Store()
    store.lease("a", 60)
    assert store.wait("a", 0.01) is False


def test_a_value_that_is_too_large_is_refused_by_its_size() -> None:
    store = Store(max_value=10)
    with pytest.raises(ValueError, match="11 bytes is more than the store takes"):
        store.set("a", b"x" * 11, 60)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_a_lifetime_is_a_number_of_seconds(seconds: float) -> None:
    with pytest.raises(ValueError, match="fresh must be a number of seconds"):
        Store().set("a", b"", seconds)


def test_keys_are_text_or_bytes() -> None:
    with pytest.raises(TypeError, match="str or bytes"):
        Store().get(1)  # type: ignore[arg-type]


def test_what_was_saved_is_there_after_a_restart(tmp_path: Path) -> None:
    store = Store()
    store.set("a", b"1", 60, tags=["t"])
    assert store.save(tmp_path / "cache") == 1
    other = Store()
    assert other.load(tmp_path / "cache") == 1
    found = other.get("a")
    assert found is not None
    assert found[0] == b"1"
    assert other.invalidate_tag("t") == 1


def test_a_damaged_file_is_set_aside_and_named(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    path.write_bytes(b"x" * 100)
    with pytest.raises(CoreError, match=r"was not saved by this cache; it is now .*cache\.damaged"):
        Store().load(path)
    assert (tmp_path / "cache.damaged").exists()


def test_a_file_that_cannot_be_written_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Store().save(tmp_path / "missing" / "cache")
