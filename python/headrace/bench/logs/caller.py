"""A program that logs, and measures how long its log calls take. For the bench alone.

Calls come in bursts with pauses, as requests do, and those with the handler in turn with those with `NullHandler`.
"""

import json
import logging
import logging.handlers
import pkgutil
import queue
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

BURST = 1000
PAUSE = 0.01  # seconds


def file(folder: Path, _: str) -> logging.Handler:
    """To a file, a line for each record."""
    return logging.FileHandler(folder / "caller.txt")


def nowhere(_: Path, __: str) -> logging.Handler:
    """To nowhere: what is left is what `logging` and the machine take."""
    return logging.NullHandler()


def queued(folder: Path, _: str) -> logging.Handler:
    """To a queue, from which a thread writes to a file."""
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(-1)
    logging.handlers.QueueListener(waiting, file(folder, "")).start()
    return logging.handlers.QueueHandler(waiting)


def loki(_: Path, url: str) -> logging.Handler:
    """To a queue, from which a thread posts each record."""
    import logging_loki  # noqa: PLC0415 - an extra

    return logging_loki.LokiQueueHandler(queue.Queue(-1), url=f"{url}/loki/api/v1/push", version="1")  # type: ignore[no-any-return]


def headrace(folder: Path, url: str) -> logging.Handler:
    """To a collector."""
    found = pkgutil.resolve_name("headrace.logs:Handler")  # by its name, as programs are configured
    return found(url, "shop", token="", state=folder / "state")  # type: ignore[no-any-return]


HANDLERS: dict[str, Callable[[Path, str], logging.Handler]] = {
    "headrace": headrace,
    "file": file,
    "queue": queued,
    "loki": loki,
    "null": nowhere,
}


def logger(name: str, handler: logging.Handler) -> logging.Logger:
    """A logger that has only this handler."""
    made = logging.getLogger(name)
    made.setLevel(logging.INFO)
    made.propagate = False
    made.addHandler(handler)
    return made


def burst(log: logging.Logger) -> float:
    """Nanoseconds a call."""
    began = time.perf_counter_ns()
    for number in range(BURST):
        log.info("GET %s gave %d in %.1f ms", "/articles/7", 200, number)
    return (time.perf_counter_ns() - began) / BURST


def each_call(log: logging.Logger) -> list[int]:
    """Nanoseconds of each call of a burst."""
    taken = []
    for number in range(BURST):
        began = time.perf_counter_ns()
        log.info("GET %s gave %d in %.1f ms", "/articles/7", 200, number)
        taken.append(time.perf_counter_ns() - began)
    return taken


def measure(kind: str, url: str, folder: Path, seconds: float) -> dict[str, float]:
    """Microseconds: what the handler adds to a call, and the 99.9th percentile of a call."""
    null, real = logger("null", logging.NullHandler()), logger("real", HANDLERS[kind](folder, url))
    burst(null), burst(real)  # what is made with the first call
    without, with_it, calls = [], [], list[int]()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        without.append(burst(null))
        with_it.append(burst(real))
        time.sleep(PAUSE)
        calls += each_call(real)
        time.sleep(PAUSE)
    added = statistics.median(with_it) - statistics.median(without)
    return {"added": added / 1000, "tail": statistics.quantiles(calls, n=1000)[-1] / 1000, "calls": len(calls)}


if __name__ == "__main__":
    kind, url, folder, seconds = sys.argv[1:]
    print(json.dumps(measure(kind, url, Path(folder), float(seconds))), flush=True)
