"""Which addresses have responses that can't be shared, so that nobody waits for another one's there."""

import time
from collections.abc import Callable
from typing import Final

SECONDS: Final = 10.0  # for how long that is remembered, as at the edge
MOST: Final = 4096  # addresses; the oldest are forgotten first


class Passing:
    """Keys that were added not long ago.

    Example: `passing.add("page:https://host/"); "page:https://host/" in passing`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}  # in the order of their ends

    def add(self, key: str) -> None:
        """Remembers a key from now on."""
        self._until.pop(key, None)
        if len(self._until) >= MOST:
            del self._until[next(iter(self._until))]
        self._until[key] = self._clock() + SECONDS

    def __contains__(self, key: str) -> bool:
        """Whether the key was added in the last seconds."""
        return self._until.get(key, 0.0) > self._clock()
