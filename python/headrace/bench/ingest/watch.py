"""Figures of a running process over time, read while something else goes on."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping

Points = list[tuple[float, float]]


@contextlib.contextmanager
def watched(read: Callable[[], Mapping[str, float]], every: float) -> Iterator[dict[str, Points]]:
    """While the block lasts, calls `read` every so many seconds; the points (seconds, value) of each figure.

    A reading that fails is left out: what is watched may be busier than ever, which is when it is worth watching.
    """
    points: dict[str, Points] = {}
    over = threading.Event()
    began = time.monotonic()

    def look() -> None:
        while not over.wait(every):
            with contextlib.suppress(Exception):
                for name, value in read().items():
                    points.setdefault(name, []).append((round(time.monotonic() - began, 2), value))

    thread = threading.Thread(target=look, name="watch", daemon=True)
    thread.start()
    try:
        yield points
    finally:
        over.set()
        thread.join()
