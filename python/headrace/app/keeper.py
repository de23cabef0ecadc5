"""Keeps one worker running at its place: starts it, starts it again when it ends, replaces it, stops it.

A worker that never became ready on its first start is an error, for the next one would fail like it. Later ends are
answered by a new start with back-off, and so is an app whose own startup fails: the worker answers 503 with the reason
until then.
"""

import asyncio
import logging
import signal
import socket
from typing import Final

from headrace.app.backoff import Backoff
from headrace.app.channel import News, NewsKind
from headrace.app.place import Place
from headrace.app.plan import Plan
from headrace.app.process import WorkerProcess, how_it_ended
from headrace.clock import Clock
from headrace.errors import OperationError

KILL_AFTER: Final = 5.0  # seconds beyond the worker's own deadline
GOOD_ENDS: Final = (0, -signal.SIGTERM)  # the second is a worker that was stopped while it still imported

logger = logging.getLogger(__name__)


class Keeper:
    """Keeps worker `index` of `plan`; `listener` is bound to `place` and serves the first start.

    With `patient`, an app that can't be imported is waited for until `replace` instead of being an error.
    """

    def __init__(
        self, plan: Plan, index: int, place: Place, listener: socket.socket, clock: Clock, *, patient: bool
    ) -> None:
        self.ready = asyncio.Event()  # set once, by the first worker that serves
        self.ended_well = True
        self.place = place
        self._plan = plan
        self._index = index
        self._listener: socket.socket | None = listener
        self._clock = clock
        self._patient = patient
        self._backoff = Backoff()
        self._worker: WorkerProcess | None = None
        self._stopping = False
        self._expected = False  # its end was asked for, to start it again
        self._broken = ""  # why there is no app
        self._settled = asyncio.Event()  # it serves, or is known not to
        self._change = asyncio.Event()  # ends a pause

    async def run(self) -> None:
        """Keeps it until `stop`. Raises `OperationError` when it never was ready."""
        while not self._stopping:
            began = self._clock.monotonic()
            how = await self._life()
            self._settled.set()
            if not self._stopping and not self._expected:
                self._check_first_start(how)
                await self._pause(how, self._clock.monotonic() - began)

    async def replace(self) -> None:
        """Lets it finish what it has, and starts another; returns when that one serves, or is known not to."""
        self._settled.clear()
        self._expected = True
        self._change.set()
        self._terminate()
        await self._settled.wait()

    def stop(self) -> None:
        """Lets it finish what it has, and ends `run`."""
        self._stopping = True
        self._change.set()
        self._terminate()

    def kill(self) -> None:
        """Ends it at once."""
        if self._worker is not None:
            self._worker.kill()

    async def _life(self) -> str:
        """From start to end; how it ended."""
        try:
            listener = self._take_listener()
        except OperationError as error:
            return str(error)
        self._expected, self._broken = False, ""
        self._worker = await WorkerProcess.start(self._plan, self._index, self.place, listener)
        if self._stopping:
            self._terminate()
        async for news in self._worker.news():
            self._hear(news)
        code = await self._worker.ended()
        self.ended_well = code in GOOD_ENDS
        self._worker = None
        return self._broken or how_it_ended(code)

    def _take_listener(self) -> socket.socket:
        """The one that was given, the first time.

        Between lives nobody listens, so that whoever calls is refused at once and can go elsewhere.
        """
        listener, self._listener = self._listener, None
        return listener or self.place.bind()[1]

    def _hear(self, news: News) -> None:
        if news.kind is NewsKind.READY:
            self.ready.set()
            self._settled.set()
        elif news.kind is NewsKind.BROKEN:
            self._broken = news.detail
        else:
            delay = self._backoff.after(lived=0.0)
            logger.error("%s: the app's startup failed: %s; once more in %.1f s", self, news.detail, delay)
            self._settled.set()
            self._expected = True
            assert self._worker is not None
            patience = self._plan.drain + KILL_AFTER
            asyncio.get_running_loop().call_later(delay, self._worker.terminate, patience)

    def _check_first_start(self, how: str) -> None:
        if not self.ready.is_set() and not self._patient:
            raise OperationError(self._broken or f"{self} {how} before the app was ready")

    async def _pause(self, how: str, lived: float) -> None:
        self._change.clear()
        if self._broken and self._patient:
            logger.error("%s: %s; waiting for a change", self, how)
            await self._change.wait()
            return
        delay = self._backoff.after(lived)
        logger.error("%s %s; starting it again in %.1f s", self, how, delay)
        try:
            await asyncio.wait_for(self._change.wait(), delay)
        except asyncio.TimeoutError:
            return

    def _terminate(self) -> None:
        if self._worker is not None:
            self._worker.terminate(self._plan.drain + KILL_AFTER)

    def __str__(self) -> str:
        return f"worker {self._index} ({self.place.url})"
