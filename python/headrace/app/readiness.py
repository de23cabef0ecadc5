"""Whether a worker takes requests, and why not."""

from dataclasses import dataclass
from enum import Enum


class Stage(str, Enum):
    """The life of a worker."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"  # answers all who still ask, but wants no more
    FAILED = "failed"  # the app's own startup went wrong


@dataclass
class Readiness:
    """The stage, and in a few words why the app failed. Written by the worker, read for each ping."""

    stage: Stage = Stage.STARTING
    reason: str = ""

    @property
    def ready(self) -> bool:
        """Whether a balancer should pick this worker."""
        return self.stage is Stage.READY

    @property
    def serves(self) -> bool:
        """Whether requests reach the app."""
        return self.stage in (Stage.READY, Stage.DRAINING)

    def fail(self, reason: str) -> None:
        """The app can't serve."""
        self.stage, self.reason = Stage.FAILED, reason

    def __str__(self) -> str:
        return f"{self.stage.value}: {self.reason}" if self.reason else self.stage.value
