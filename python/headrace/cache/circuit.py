"""When a store that fails is asked again: pure, and the same as the core's for cache servers.

A caller that waits for what hangs loses its whole time-out. After `FAILURES` in a row nobody asks for a second; then
one caller does, for all, and its success lets everybody in again. Each failure of such a caller doubles the pause.
"""

import time
from collections.abc import Callable
from typing import Final

FAILURES: Final = 3
FIRST: Final = 1.0  # seconds
LONGEST: Final = 15.0


class Circuit:
    """Example: `circuit.admits() and circuit.failed()`. `clock` gives seconds that never step."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = 0.0
        self.succeeded()

    def admits(self) -> bool:
        """Whether a caller may ask now; after a pause it does so for all others, who go on waiting."""
        if self._pause == 0.0:
            return True
        now = self._clock()
        if now < self._until:
            return False
        self._until = now + self._pause
        return True

    def succeeded(self) -> None:
        """A caller was answered."""
        self._failures = 0
        self._pause = 0.0

    def failed(self) -> None:
        """A caller was not."""
        self._failures += 1
        if self._pause:
            self._pause = min(self._pause * 2, LONGEST)
        elif self._failures >= FAILURES:
            self._pause = FIRST
        self._until = self._clock() + self._pause
