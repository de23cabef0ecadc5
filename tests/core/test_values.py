"""Values of the cache's store as Python objects: decoded once, copied for each caller, never of another version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from headrace._core import Store, Values

if TYPE_CHECKING:
    from collections.abc import Callable

MISSING = object()


class Decoder:
    """JSON that counts what it decodes."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, data: bytes) -> object:
        self.calls += 1
        return json.loads(data)


@pytest.fixture
def store() -> Store:
    return Store(max_bytes=64 << 20)


def values_of(store: Store, loads: Callable[[bytes], object], *, plain: bool = True) -> Callable[[str], Any]:
    return Values(store, loads, MISSING, plain=plain).get


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        7,
        1 << 80,
        0.5,
        "text",
        [],
        {},
        [1, [2, [3, {"a": [4]}]]],
        {"z": 1, "tags": ["a", "b"], "a": {"b": {"c": []}}},
    ],
)
def test_plain_data_is_decoded_once_and_equal_each_time(store: Store, value: object) -> None:
    decode = Decoder()
    get = values_of(store, decode)
    store.set("key", json.dumps(value).encode(), 60)
    for _ in range(3):
        assert json.dumps(get("key")) == json.dumps(value), "the order of keys too"
    assert decode.calls == 1


def test_each_caller_may_change_all_of_its_value(store: Store) -> None:
    get = values_of(store, json.loads)
    store.set("key", b'{"tags": ["a"], "author": {"names": ["anna"]}, "rows": [{"n": 1}, 2]}', 60)
    expected = {"tags": ["a"], "author": {"names": ["anna"]}, "rows": [{"n": 1}, 2]}
    for _ in range(3):
        mine = get("key")
        assert mine == expected
        mine["tags"].append("mine")
        mine["author"]["names"].clear()
        mine["rows"][0]["n"] = "mine"
        mine.pop("rows").pop()


def test_what_was_set_removed_or_made_stale_is_seen_at_once(store: Store) -> None:
    get = values_of(store, json.loads)
    for number in range(3):
        store.set("key", json.dumps([number]).encode(), 60, 60, ["tag"])
        assert get("key") == get("key") == [number]
    for end in (
        lambda: store.remove("key"),
        lambda: store.remove("key", soft=True),
        lambda: store.invalidate_tag("tag"),
        lambda: store.invalidate_prefix("k", soft=True),
    ):
        store.set("key", b"[1]", 60, 60, ["tag"])
        assert get("key") == [1]
        end()
        assert get("key") is MISSING


def test_objects_and_what_is_not_known_to_be_plain_are_decoded_for_each_caller(store: Store) -> None:
    class Post:
        pass

    store.set("key", b"[1]", 60)
    get = values_of(store, lambda _: [Post()])
    assert get("key")[0] is not get("key")[0]
    decode = Decoder()
    get = values_of(store, decode, plain=False)
    assert get("key") == get("key") == [1]
    assert decode.calls == 2


def test_what_cannot_be_read_is_missing(store: Store) -> None:
    store.set("key", b"no JSON", 60)
    assert values_of(store, json.loads)("key") is MISSING
    assert values_of(store, json.loads)("other") is MISSING


def test_decoded_values_are_few_and_make_room(store: Store) -> None:
    decode = Decoder()
    get = values_of(store, decode)
    data = json.dumps(["x" * 10_000]).encode()
    for key in range(200):
        store.set(str(key), data, 60)
        get(str(key))
    decode.calls = 0
    for key in range(200):
        get(str(key))
    assert 90 <= decode.calls < 200, "one megabyte is kept"
    for _ in range(20):
        get("199")
        for key in range(100, 200):
            get(str(key))
    decode.calls = 0
    get("199")
    assert decode.calls == 0, "those that are asked for take the place of others"


def test_large_values_are_not_kept_decoded(store: Store) -> None:
    decode = Decoder()
    get = values_of(store, decode)
    store.set("key", json.dumps("x" * 100_000).encode(), 60)
    assert get("key") == get("key")
    assert decode.calls == 2


def test_a_finalizer_may_ask_for_a_value(store: Store) -> None:
    """Python may run any code whenever an object is made."""
    get = values_of(store, json.loads)
    store.set("key", b'{"a": [1]}', 60)

    class Last:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            assert get("key") == {"a": [1]}

    for _ in range(5000):
        Last()
        assert get("key") == {"a": [1]}
