"""Many want the same value at once: the function is called once, whoever waits and however the call ends."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from headrace.cache.decorator import cached
from tests.cache.stores import eventually

CALLERS = 250


def at_once(count, call):
    """What `count` threads were given that called at the same time."""
    ready = threading.Barrier(count)

    def go(_):
        ready.wait(60)
        return call()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(go, range(count)))


def test_threads(cache):
    calls = []

    @cached(ttl=60, key="post:{post_id}", cache=cache, wait="60s")
    def show(post_id):
        calls.append(post_id)
        time.sleep(0.2)
        return [post_id]

    values = at_once(CALLERS, lambda: show(3))
    assert values == [[3]] * CALLERS
    assert calls == [3]
    assert len({id(value) for value in values}) == CALLERS  # nobody sees what another does to it


def test_tasks_of_loops_in_several_threads(cache):
    calls = []

    @cached(ttl=60, key="post:{post_id}", cache=cache, wait="60s")
    async def show(post_id):
        calls.append(post_id)
        await asyncio.sleep(0.2)
        return [post_id]

    async def many():
        return await asyncio.gather(*(show(3) for _ in range(CALLERS)))

    assert at_once(4, lambda: asyncio.run(many())) == [[[3]] * CALLERS] * 4
    assert calls == [3]


@pytest.mark.parametrize("save", ["now", "later"])
def test_an_error_reaches_all_who_wait(cache, save):
    calls, waiting = [], threading.Semaphore(0)

    @cached(ttl=60, key="x", cache=cache, save=save, wait="60s")
    def fail():
        calls.append(1)
        time.sleep(0.3)
        raise ValueError("no database")

    def outcome():
        waiting.release()
        try:
            fail()
        except ValueError as error:
            return str(error)

    assert at_once(20, outcome) == ["no database"] * 20
    assert len(calls) < 20
    assert not cache.backend.leases


async def test_the_cancellation_of_the_first_caller_is_nobody_elses(cache):
    calls = []

    @cached(ttl=60, key="x", cache=cache)
    async def show():
        calls.append(1)
        await asyncio.sleep(0.1)
        return "value"

    first, second = asyncio.create_task(show()), asyncio.create_task(show())
    await asyncio.sleep(0.02)
    first.cancel()
    assert await second == "value"
    assert first.cancelled()
    assert await show() == "value"
    assert calls == [1]


async def test_where_the_call_itself_is_cancelled_another_begins_it_again(cache):
    calls = []

    @cached(ttl=60, key="x", cache=cache)
    async def show():
        calls.append(asyncio.current_task())
        await asyncio.sleep(0.1 if len(calls) == 1 else 0)
        return "value"

    first, second = asyncio.create_task(show()), asyncio.create_task(show())
    await asyncio.sleep(0.02)
    calls[0].cancel()
    assert await second == "value"
    with pytest.raises(asyncio.CancelledError):
        await first
    assert len(calls) == 2


def test_a_loop_that_ends_meanwhile_holds_nobody_up(cache):
    calls = []

    @cached(ttl=60, key="x", cache=cache)
    async def show():
        calls.append(1)
        await asyncio.sleep(30 if len(calls) == 1 else 0)
        return "value"

    async def impatient():
        await asyncio.wait_for(show(), 0.05)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(impatient())
    assert asyncio.run(show()) == "value"
    assert not cache.backend.leases


def test_who_waited_in_vain_calls_the_function(cache):
    calls, go_on = [], threading.Event()

    @cached(ttl=60, key="x", cache=cache, wait="50ms")
    def show():
        calls.append(1)
        if len(calls) == 1:
            assert go_on.wait(60)
        return [len(calls)]

    thread = threading.Thread(target=show)
    thread.start()
    eventually(lambda: calls)
    assert show() == [2]
    go_on.set()
    thread.join()
    assert show() == [2]  # by the first caller, who had the lease


def test_two_functions_that_need_each_other_do_not_deadlock(cache):
    both = threading.Barrier(2)

    @cached(ttl=60, key="a", cache=cache, wait="100ms")
    def a(*, inner=True):
        if inner:
            both.wait(20)
            return ["a", b(inner=False)]
        return "a"

    @cached(ttl=60, key="b", cache=cache, wait="100ms")
    def b(*, inner=True):
        if inner:
            both.wait(20)
            return ["b", a(inner=False)]
        return "b"

    with ThreadPoolExecutor(2) as pool:
        assert [future.result(60)[0] for future in (pool.submit(a), pool.submit(b))] == ["a", "b"]


def test_who_comes_after_an_invalidation_is_not_given_what_was_computed_before(cache):
    begun, go_on, calls = threading.Event(), threading.Event(), []

    @cached(ttl=60, key="x", cache=cache, tags=["all"])
    def show():
        calls.append(1)
        number = len(calls)
        begun.set()
        assert number > 1 or go_on.wait(60)
        return number

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(show)
        assert begun.wait(60)
        cache.backend.leases.clear()  # as an invalidation of the tag "all" does
        others = [pool.submit(show) for _ in range(5)]
        eventually(lambda: cache.backend.calls.count("get") == 6)
        go_on.set()
        assert first.result(60) == 1
        assert {other.result(60) for other in others} == {2}
    assert len(calls) == 2


def test_a_value_that_the_cache_does_not_take_is_given_to_all_who_wait(cache):
    calls = []

    @cached(ttl=60, key="x", cache=cache, wait="60s")
    def show():
        calls.append(1)
        time.sleep(0.1)
        return "large"

    cache.backend.set = lambda *args, **options: False
    assert at_once(20, show) == ["large"] * 20
    assert len(calls) <= 3
