"""A pool of workers: a fixed number of tasks that take jobs in turn, resized and stopped while it runs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

MOST_WORKERS: Final = 256  # each may need a thread, and memory for a batch

Job = TypeVar("Job")


class Workers(Generic[Job]):
    """Runs `work(job)` for each job, `count` of them at a time; an error that `work` lets out ends up in `failed`.

    Example: `workers = Workers(land, 4)`; `await workers.give(seal)`; `await workers.stop(30.0)`.
    """

    def __init__(self, work: Callable[[Job], Awaitable[None]], count: int) -> None:
        self._work = work
        # Nobody waits in line: a job is given when somebody takes it.
        self._jobs: asyncio.Queue[Job] = asyncio.Queue(maxsize=1)
        self._tasks: list[asyncio.Task[None]] = []
        self._busy: set[asyncio.Task[None]] = set()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.resize(count)

    @property
    def count(self) -> int:
        """How many workers there are."""
        return len(self._tasks)

    @property
    def busy(self) -> int:
        """How many of them have a job."""
        return len(self._busy)

    async def give(self, job: Job) -> None:
        """Waits until there is room for the job."""
        await self._jobs.put(job)

    def resize(self, count: int) -> None:
        """More workers begin at once; of fewer, the idle ones end at once and the others after their job."""
        while len(self._tasks) < count:
            self._tasks.append(asyncio.create_task(self._run()))
        leaving = sorted(self._tasks, key=lambda task: task in self._busy)[: len(self._tasks) - count]
        for task in leaving:
            self._tasks.remove(task)
            if task not in self._busy:
                task.cancel()

    async def stop(self, patience: float) -> bool:
        """Waits up to `patience` seconds for the jobs that were given, then ends all; whether all jobs were done."""
        try:
            await asyncio.wait_for(self._jobs.join(), patience)
            done = True
        except (TimeoutError, asyncio.TimeoutError):
            done = False
        ending = {*self._tasks, *self._busy}
        for task in ending:
            task.cancel()
        self._tasks.clear()
        self.failed.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        return done

    def _fail(self, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)

    async def _run(self) -> None:
        own = asyncio.current_task()
        assert own is not None
        while own in self._tasks:
            job = await self._jobs.get()
            self._busy.add(own)
            try:
                await self._work(job)
            except Exception as error:  # noqa: BLE001 - told to whoever waits for `failed`
                self._fail(error)
            finally:
                self._busy.discard(own)
                self._jobs.task_done()
