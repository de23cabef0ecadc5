"""Work that nobody waits for: values that are renewed, and values that are saved after the reply.

Threads do it for functions, tasks of the running loop for coroutine functions, each in the context (`contextvars`) of
the caller who gave rise to it. A process that ends finishes what its threads have begun or been given.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Final

THREADS: Final = 4
WAITING: Final = 1000  # jobs; with more, a value is renewed by a later caller
log: Final = logging.getLogger("headrace.cache")


class Threads:
    """A few threads that begin with the first job, and anew after a fork.

    Example: `Threads().give(lambda: renew("post:3"))`.
    """

    def __init__(self) -> None:
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._jobs = 0
        self._pool: ThreadPoolExecutor | None = None

    def give(self, job: Callable[[], object]) -> bool:
        """Whether the job will be done; False where too much waits already, or the process is about to end."""
        context = copy_context()
        with self._lock:
            if self._jobs >= WAITING:
                return False
            self._pool = self._pool or ThreadPoolExecutor(THREADS, thread_name_prefix="headrace-cached")
            try:
                self._pool.submit(self._do, lambda: context.run(job))
            except RuntimeError:  # the interpreter is shutting down
                return False
            self._jobs += 1
            return True

    def _do(self, job: Callable[[], object]) -> None:
        try:
            job()
        finally:
            with self._lock:
                self._jobs -= 1


class Tasks:
    """Tasks of the running loop; the loop itself holds them only weakly."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def give(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Begins the work."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # is told to who waits for it; that nobody does is no error


class Renewals:
    """Tells that a function's values can't be renewed: once when it begins, and again only after one that could."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._failing = False

    def failed(self, error: BaseException) -> None:
        """The function raised."""
        if not self._failing:
            self._failing = True
            log.warning(
                "%s: a value can't be renewed, the old one is used until its time is over", self._name, exc_info=error
            )

    def succeeded(self) -> None:
        """The function gave a value."""
        self._failing = False


threads: Final = Threads()
tasks: Final = Tasks()
