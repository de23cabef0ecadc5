import asyncio
import threading

import pytest

from headrace.app.threads import Threads


async def test_a_call_answers_into_the_event_loop():
    assert await Threads(1, "t").call(lambda: threading.current_thread().name) == "t-0"


async def test_what_it_raises_is_raised_where_it_was_called_for():
    with pytest.raises(ZeroDivisionError):
        await Threads(1, "t").call(lambda: 1 / 0)


async def test_calls_run_at_once_up_to_the_count_and_then_wait():
    threads, release, running = Threads(3, "t"), threading.Event(), []

    def call() -> None:
        running.append(1)
        assert release.wait(10)

    calls = [asyncio.create_task(threads.call(call)) for _ in range(5)]
    await asyncio.sleep(0.1)
    assert len(running) == 3
    release.set()
    await asyncio.gather(*calls)
    assert len(running) == 5


async def test_a_thread_is_used_again():
    threads = Threads(8, "t")
    assert {await threads.call(lambda: threading.current_thread().name) for _ in range(20)} == {"t-0"}


async def test_a_call_that_nobody_waits_for_any_more_harms_none():
    threads, release = Threads(1, "t"), threading.Event()
    call = asyncio.create_task(threads.call(lambda: release.wait(10)))
    await asyncio.sleep(0.01)
    call.cancel()
    release.set()
    assert await threads.call(lambda: 1) == 1
