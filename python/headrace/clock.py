"""The two clocks, passed in wherever time matters so that tests own it."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """Durations come from `monotonic`, which never steps; only what people read comes from `wall`. Both in seconds."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
