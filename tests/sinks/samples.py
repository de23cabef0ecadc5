"""Batches to put."""

from headrace.sinks import Batch, Run, Runs
from headrace.sinks.batch import DEFAULT

HOUR = 490_000  # 2025-11-24 16:00 UTC


def run(first: int, count: int = 3) -> Run:
    numbers = range(first, first + count)
    return Run(numbers, b"".join(b'{"id":%d,"host":"web-%d"}\n' % (number, number % 3) for number in numbers))


def batch(first: int = 0, count: int = 3, *, stream: str = "", hour: int = HOUR, form: str = DEFAULT) -> Batch:
    return Batch("node", stream, hour, Runs((run(first, count),)), form)
