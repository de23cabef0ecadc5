"""Whether a worker takes requests, and why not."""

import asyncio
from enum import Enum


class Stage(str, Enum):
    """The life of a worker."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"  # answers all who still ask, but wants no more
    FAILED = "failed"  # the app's own startup went wrong


class Readiness:
    """The stage, and in a few words why the app failed. Changed by the worker, looked at for each request."""

    def __init__(self, stage: Stage = Stage.STARTING) -> None:
        self._left = asyncio.Event()  # the start is over, one way or the other
        self._enter(stage, "")

    def become(self, stage: Stage, reason: str = "") -> None:
        """Go on to `stage`; `reason` is why the app failed."""
        self._enter(stage, reason)
        self._left.set()

    def _enter(self, stage: Stage, reason: str) -> None:
        self.stage, self.reason = stage, reason
        self.ready = stage is Stage.READY  # a balancer should pick this worker
        self.serves = stage in (Stage.READY, Stage.DRAINING)  # requests reach the app

    async def started(self) -> None:
        """Wait until the start is over, one way or the other."""
        await self._left.wait()

    def __str__(self) -> str:
        return f"{self.stage.value}: {self.reason}" if self.reason else self.stage.value
