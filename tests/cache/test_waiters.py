"""Tasks that wait for a lease of `memory://`: woken by whatever ends it, and by nothing else."""

import asyncio
import threading
import time

import pytest

from headrace.cache.backend import Found, Lease
from headrace.cache.errors import RefusedError
from headrace.cache.memory import MemoryBackend
from tests.cache.stores import eventually


@pytest.fixture
def backend():
    return MemoryBackend(1 << 20)


def held(backend, key="k", seconds=60):
    lease = backend.lease(key, seconds=seconds, wait=0)
    assert isinstance(lease, Lease)
    return lease


async def waiting(backend, key="k", wait=60.0):
    """A task that has begun to wait."""
    before = len(backend._waiters)
    task = asyncio.create_task(backend.alease(key, seconds=60, wait=wait))
    await asyncio.sleep(0)  # it runs to where it waits
    assert len(backend._waiters) == before + 1
    return task


def set_too_large(backend, lease):
    with pytest.raises(RefusedError):
        backend.set("k", bytes(1 << 20), ttl=60, lease=lease)


ENDS = {
    "set": lambda backend, lease: backend.set("k", b"1", ttl=60, lease=lease),
    "set without the lease": lambda backend, _: backend.set("k", b"1", ttl=60),
    "set_many": lambda backend, _: backend.set_many({"j": b"1", "k": b"1"}, ttl=60),
    "too large": set_too_large,
    "give_up": lambda backend, lease: backend.give_up(lease),
    "delete": lambda backend, _: backend.delete("k"),
    "key": lambda backend, _: backend.invalidate(key="k"),
    "soft": lambda backend, _: backend.invalidate(key="k", soft=True),
    "prefix": lambda backend, _: backend.invalidate(prefix="k"),
    "clear": lambda backend, _: backend.clear(),
}


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("in_a_thread", [False, True])
async def test_whatever_ends_the_lease_wakes_who_waits(backend, how, in_a_thread):
    lease = held(backend)
    tasks = [await waiting(backend) for _ in range(3)]
    if in_a_thread:
        await asyncio.to_thread(ENDS[how], backend, lease)
    else:
        ENDS[how](backend, lease)
    done, others = await asyncio.wait(tasks, timeout=30, return_when=asyncio.FIRST_COMPLETED)
    assert done
    if how.startswith("set"):
        assert [one.value for one in await asyncio.gather(*tasks)] == [b"1"] * 3
    else:
        assert isinstance(done.pop().result(), Lease)
    for task in others:
        task.cancel()
    await asyncio.wait(tasks)
    assert len(backend._waiters) == 0


async def test_who_waits_looks_once_and_again_only_when_woken(backend):
    lease, looks, look = held(backend), [], backend._lease

    def counted(key, seconds):
        looks.append(key)
        return look(key, seconds)

    backend._lease = counted
    held(backend, "other")
    task, other = await waiting(backend), await waiting(backend, "other")
    backend.invalidate(tag="t")
    backend.set("another", b"1", ttl=60)
    assert (await asyncio.wait([task], timeout=0.3))[0] == set()
    assert looks.count("k") <= 2
    backend.set("k", b"1", ttl=60, lease=lease)
    assert (await task).value == b"1"
    assert looks.count("k") <= 3
    assert looks.count("other") <= 3  # one by who has the lease
    other.cancel()


async def test_a_lease_that_runs_out_goes_to_one_who_waits(backend):
    held(backend, seconds=0.2)
    began = time.monotonic()
    tasks = [await waiting(backend) for _ in range(3)]
    done, others = await asyncio.wait(tasks, timeout=30, return_when=asyncio.FIRST_COMPLETED)
    assert time.monotonic() - began >= 0.1
    assert [isinstance(task.result(), Lease) for task in done] == [True]
    for task in others:
        task.cancel()


async def test_a_wait_ends_in_time_and_leaves_nothing(backend):
    held(backend)
    assert await backend.alease("k", seconds=60, wait=0.1) is None
    assert await backend.alease("k", seconds=60, wait=0) is None
    assert len(backend._waiters) == 0


async def test_who_is_cancelled_leaves_nothing(backend):
    lease = held(backend)
    tasks = [await waiting(backend) for _ in range(20)]
    for task in tasks[1:]:
        task.cancel()
    await asyncio.wait(tasks[1:])
    assert all(task.cancelled() for task in tasks[1:])
    assert len(backend._waiters) == 1
    backend.set("k", b"1", ttl=60, lease=lease)
    assert (await tasks[0]).value == b"1"
    assert backend._waiters._waiting == {}


def test_a_loop_that_was_closed_holds_nobody_up(backend):
    lease = held(backend)
    loop = asyncio.new_event_loop()
    task = loop.run_until_complete(waiting(backend))
    loop.close()
    backend.set("k", b"1", ttl=60, lease=lease)
    assert backend.get("k").value == b"1"
    task._log_destroy_pending = False


def test_no_end_of_a_lease_is_missed(backend):
    """Tasks of two loops and threads pass the lease of a key around: nobody sleeps while it is free."""
    turns, rounds, tasks, threads = [], 40, 25, 4

    async def one():
        for _ in range(rounds):
            lease = await backend.alease("k", seconds=600, wait=120)
            assert isinstance(lease, Lease)
            turns.append(1)
            if len(turns) % 3:
                await asyncio.sleep(0)
            backend.give_up(lease)

    async def all_of_a_loop():
        await asyncio.gather(*(one() for _ in range(tasks)))

    def in_a_thread():
        for _ in range(rounds):
            lease = backend.lease("k", seconds=600, wait=120)
            assert isinstance(lease, Lease)
            turns.append(1)
            backend.give_up(lease)

    calls = [lambda: asyncio.run(all_of_a_loop())] * 2 + [in_a_thread] * threads
    running = [threading.Thread(target=call) for call in calls]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(100)
    assert len(turns) == rounds * (2 * tasks + threads)
    assert len(backend._waiters) == 0


async def test_a_thousand_tasks_have_what_one_thread_sets(backend):
    lease = held(backend)
    tasks = [asyncio.create_task(backend.alease("k", seconds=60, wait=60)) for _ in range(1000)]
    setting = threading.Thread(target=lambda: (eventually(lambda: len(backend._waiters) == 1000), set_it()))

    def set_it():
        backend.set("k", b"1", ttl=60, lease=lease)

    setting.start()
    found = await asyncio.gather(*tasks)
    setting.join()
    assert all(isinstance(one, Found) and one.value == b"1" for one in found)
