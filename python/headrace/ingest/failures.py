"""What follows from a batch that didn't land. Pure.

| error | next attempt | who waits | told |
|---|---|---|---|
| `Transient` | after up to 0.1 s, doubling to 30 s | this worker | when it lasts |
| the same, with too much to do | after up to 1 s, doubling to 60 s, or when it says | all workers | when it lasts |
| `Held` | after up to 1 s, doubling to 60 s | all workers; one tries | at once |
| `Rejected` | none: to the dead letters | - | at once |

Pauses are random over their whole length ("full jitter"), so that workers and nodes that failed together don't come
back together (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
"""

from dataclasses import dataclass
from typing import Final

from headrace.sinks import Held, SinkError, Transient

FIRST: Final = 0.1
LONGEST: Final = 30.0
FIRST_SHARED: Final = 1.0
LONGEST_SHARED: Final = 60.0
LASTING: Final = 5  # failed attempts after which somebody is told


@dataclass(frozen=True)
class Pause:
    """Try again after `seconds`; `shared`: nobody else meanwhile; `told`: somebody should know."""

    seconds: float
    shared: bool
    told: bool


def after(error: SinkError, attempt: int, jitter: float) -> Pause | None:
    """What follows from the error of the `attempt`th attempt (from 1); None: set the payloads aside.

    `jitter` is a random number from 0 to 1. Example: `after(Transient("away"), 2, 0.5).seconds == 0.1`.
    """
    if isinstance(error, Held):
        return Pause(_pause(FIRST_SHARED, LONGEST_SHARED, attempt, jitter), shared=True, told=True)
    if not isinstance(error, Transient):
        return None
    told = attempt >= LASTING
    if error.retry_after is not None:
        return Pause(error.retry_after * (1 + jitter / 10), shared=True, told=told)
    if error.slow_down:
        return Pause(_pause(FIRST_SHARED, LONGEST_SHARED, attempt, jitter), shared=True, told=told)
    return Pause(_pause(FIRST, LONGEST, attempt, jitter), shared=False, told=told)


def _pause(first: float, longest: float, attempt: int, jitter: float) -> float:
    return jitter * min(longest, first * 2.0 ** min(attempt - 1, 16))
