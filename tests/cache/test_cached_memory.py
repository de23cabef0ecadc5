"""`cached` over the memory of the process: the short way of a hit, and what must hold on it."""

import asyncio
import dataclasses
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from headrace import Cache, cached
from headrace.cache import shared


@pytest.fixture
def memory():
    return Cache("memory://")


@pytest.mark.parametrize("prefix", ["", "shop:"])
def test_a_hit_is_fresh_and_ones_own(prefix):
    calls = []

    @cached(ttl=60, key="post:{post_id}", cache=Cache("memory://", prefix=prefix))
    def show(post_id):
        calls.append(post_id)
        return [post_id]

    show(3).append("mine")
    assert show(3) == [3]
    assert show.hit(3).source == "memory"
    assert calls == [3]
    assert show.invalidate(3)
    assert show(3) == [3]
    assert calls == [3, 3]


def test_text_and_bytes_come_back_as_they_are(memory):
    values = iter(["", "text", b"", b"\x00bytes", 0, None])

    @cached(ttl=60, cache=memory)
    def show(number):
        return next(values)

    for number, value in enumerate(["", "text", b"", b"\x00bytes", 0, None]):
        assert show(number) == show(number) == value


def test_a_value_ends_and_a_stale_one_is_renewed(memory):
    calls = []

    @cached(ttl="50ms", stale="1m", cache=memory)
    async def show():
        calls.append(1)
        return len(calls)

    async def until_renewed():
        assert await show() == 1
        deadline = time.monotonic() + 20
        while await show() == 1:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.005)

    asyncio.run(until_renewed())


def test_tags_invalidate_and_what_is_being_computed_is_not_kept(memory):
    @cached(ttl=60, key="x", tags=["all"], cache=memory)
    def show():
        memory.invalidate(tag="all")
        return "old"

    assert show() == "old"
    assert memory.get("x") is None


def test_the_default_is_one_memory_for_all(monkeypatch):
    monkeypatch.delenv("HEADRACE_CACHE_URL", raising=False)
    monkeypatch.setattr(shared, "_caches", {})

    @cached(ttl=60, key="x")
    def one():
        return "one"

    @cached(ttl=60, key="x")
    def other():
        return "other"

    assert one() == other() == "one"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_after_a_fork_the_child_has_a_memory_of_its_own(memory):
    @cached(ttl=60, key="x", cache=memory)
    def show():
        return os.getpid()

    assert show() == os.getpid()
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, f"{show() == os.getpid()}".encode())
        os._exit(0)
    assert os.read(read, 20) == b"True"
    os.waitpid(child, 0)
    assert show() == os.getpid()


def test_refresh_leaves_the_old_value_to_others_until_the_new_one_is_there(memory):
    seen = []

    @cached(ttl=60, stale=60, key="x", cache=memory)
    def show():
        seen.append(memory.get("x"))
        return len(seen)

    assert show() == 1
    assert show.refresh() == 2
    assert seen == [None, 1]
    assert show() == 2


def test_callers_at_once_cause_one_call(memory):
    calls = []

    @cached(ttl=60, key="x", cache=memory, wait="60s")
    def show():
        calls.append(1)
        time.sleep(0.2)
        return "value"

    @cached(ttl=60, key="y", cache=memory, wait="60s")
    async def show_later():
        calls.append(2)
        await asyncio.sleep(0.2)
        return "value"

    async def many():
        return await asyncio.gather(*(show_later() for _ in range(200)))

    with ThreadPoolExecutor(100) as pool:
        waiting = [pool.submit(show) for _ in range(96)]
        later = [pool.submit(asyncio.run, many()) for _ in range(4)]
        assert {one.result(60) for one in waiting} == {"value"}
        assert [set(one.result(60)) for one in later] == [{"value"}] * 4
    assert sorted(calls) == [1, 2]


def test_what_another_function_kept_under_the_key_is_computed_anew(memory):
    @cached(ttl=60, key="shared", cache=memory)
    def count() -> int:
        return 7

    @cached(ttl=60, key="shared", cache=memory)
    def names() -> list[str]:
        return ["anna"]

    assert count() == 7
    assert names() == ["anna"]
    assert count() == 7


def test_objects_are_ones_own_too(memory):
    @dataclasses.dataclass
    class Post:
        tags: list[str]

    @cached(ttl=60, cache=memory)
    def post() -> Post:
        return Post(["a"])

    for _ in range(3):
        mine = post()
        assert mine == Post(["a"])
        mine.tags.append("mine")


def test_an_argument_may_have_any_name(memory):
    @cached(ttl=60, key="n:{len}", cache=memory)
    def show(len):  # noqa: A002 - what is tested
        return len

    assert show(3) == show(len=3) == 3
