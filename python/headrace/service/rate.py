"""How fast a count grows, and what follows for whoever is refused. Pure."""

from collections import deque
from typing import Final

SHARE: Final = 0.1  # of what waits is to land before somebody comes again: a good chance, and no long pause
STANDING: Final = 30.0  # seconds, when nothing lands: as long as the longest pause of a worker
LONGEST: Final = 300.0


class Rate:
    """A count's growth over the last `over` seconds.

    Example: `rate.add(10.0, 100)`, `rate.add(12.0, 300)`, then `rate.per_second == 100.0`.
    """

    def __init__(self, over: float) -> None:
        self._over = over
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, now: float, count: int) -> None:
        """The count as it is `now`, in monotonic seconds."""
        self._samples.append((now, count))
        while len(self._samples) > 2 and self._samples[1][0] <= now - self._over:
            self._samples.popleft()

    def restart(self) -> None:
        """Forgets what was: it says nothing about what comes."""
        self._samples.clear()

    @property
    def per_second(self) -> float:
        """What it grew by in a second; 0 before there are two samples."""
        if len(self._samples) < 2:
            return 0.0
        (began, before), (now, count) = self._samples[0], self._samples[-1]
        return (count - before) / max(now - began, 1e-3)


def retry_after(waiting: int, per_second: float) -> float:
    """Seconds after which there is room again, when `waiting` payloads land at `per_second`.

    Example: `retry_after(10_000, 500.0) == 2.0`.
    """
    if per_second <= 0:
        return STANDING
    return min(LONGEST, max(1.0, SHARE * waiting / per_second))


class Drain:
    """How fast a queue gets shorter, and so what is said to whoever finds it full.

    Example: `drain.retry_after(0.0, waiting=1000, done=0)`, then `drain.retry_after(1.0, waiting=900, done=100)`.
    """

    def __init__(self, over: float) -> None:
        self._done = Rate(over)

    def retry_after(self, now: float, *, waiting: int, done: int) -> float:
        """Seconds for `Retry-After`: at `now`, in monotonic seconds, so many wait and so many were done so far."""
        # A minute with nothing to do would make the queue look slow that has just filled.
        if not waiting:
            self._done.restart()
        self._done.add(now, done)
        return retry_after(waiting, self._done.per_second)
