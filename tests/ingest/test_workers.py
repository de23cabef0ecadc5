"""The pool."""

import asyncio

import pytest

from headrace.ingest.workers import Workers

from .waiting import until


class Work:
    """Jobs that last until they are let go."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.done: list[int] = []
        self.gates: dict[int, asyncio.Event] = {}

    async def __call__(self, job: int) -> None:
        self.begun.append(job)
        await self.gates.setdefault(job, asyncio.Event()).wait()
        self.done.append(job)

    def finish(self, *jobs: int) -> None:
        for job in jobs:
            self.gates.setdefault(job, asyncio.Event()).set()


@pytest.fixture
def work():
    return Work()


async def test_as_many_jobs_run_as_there_are_workers(work):
    workers = Workers(work, 3)
    giving = asyncio.create_task(_give(workers, range(5)))
    await until(lambda: len(work.begun) == 3)
    assert workers.busy == 3
    work.finish(*range(5))
    await giving
    assert await workers.stop(10.0)
    assert sorted(work.done) == [0, 1, 2, 3, 4]


async def test_giving_waits_until_somebody_can_take_it(work):
    workers = Workers(work, 1)
    await workers.give(0)
    await until(lambda: work.begun == [0])
    await workers.give(1)
    with pytest.raises((TimeoutError, asyncio.TimeoutError)):
        await asyncio.wait_for(workers.give(2), 0.02)
    await workers.stop(0.0)


async def test_more_workers_begin_at_once(work):
    workers = Workers(work, 1)
    giving = asyncio.create_task(_give(workers, range(4)))
    await until(lambda: len(work.begun) == 1)
    workers.resize(4)
    await until(lambda: len(work.begun) == 4)
    assert workers.count == 4
    work.finish(*range(4))
    await giving
    assert await workers.stop(10.0)


async def test_of_fewer_workers_the_idle_end_at_once_and_the_busy_finish_their_job(work):
    workers = Workers(work, 4)
    await _give(workers, (0, 1))
    await until(lambda: len(work.begun) == 2)
    workers.resize(1)
    assert workers.count == 1
    work.finish(0, 1)
    await until(lambda: sorted(work.done) == [0, 1])
    giving = asyncio.create_task(_give(workers, (2, 3)))
    await until(lambda: 2 in work.begun)
    await asyncio.sleep(0.01)
    assert 3 not in work.begun
    work.finish(2, 3)
    await giving
    assert await workers.stop(10.0)
    assert sorted(work.done) == [0, 1, 2, 3]


async def test_a_stop_waits_for_jobs_that_were_given(work):
    workers = Workers(work, 2)
    await _give(workers, (0, 1, 2))
    stopping = asyncio.create_task(workers.stop(10.0))
    await until(lambda: len(work.begun) == 2)
    work.finish(0, 1, 2)
    assert await stopping
    assert sorted(work.done) == [0, 1, 2]


async def test_a_stop_ends_jobs_that_take_too_long(work):
    workers = Workers(work, 2)
    await _give(workers, (0, 1))
    await until(lambda: len(work.begun) == 2)
    assert not await workers.stop(0.01)
    assert work.done == []
    assert workers.count == 0


async def test_a_busy_worker_that_is_too_many_is_ended_by_a_stop_too(work):
    workers = Workers(work, 1)
    await workers.give(0)
    await until(lambda: work.begun == [0])
    workers.resize(0)
    assert not await workers.stop(0.01)
    assert workers.busy == 0


async def test_an_error_that_work_lets_out_is_told_and_ends_no_worker():
    async def fail(job):
        if job == 0:
            raise ZeroDivisionError("a mistake")
        done.append(job)

    done = []
    workers = Workers(fail, 1)
    await _give(workers, (0, 1))
    with pytest.raises(ZeroDivisionError):
        await workers.failed
    await until(lambda: done == [1])
    assert await workers.stop(10.0)


async def _give(workers, jobs) -> None:
    for job in jobs:
        await workers.give(job)
