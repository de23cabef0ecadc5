"""How objects are named: from the sealed range alone, so that the same payloads always have the same key."""

import functools
from collections.abc import Callable
from datetime import datetime, timezone

from headrace.sinks.batch import Batch

DIGITS = 16  # keys of one hour sort by number up to 10^16 payloads


def folder(batch: Batch) -> str:
    """Hive-style: engines that know it prune by `dt` and `hour`.

    Example: `"dt=2026-01-05/hour=08"`, with `orders/` before `dt=` for the stream `orders`.
    """
    partition = _partition(batch.hour)
    return f"{batch.stream}/{partition}" if batch.stream else partition


@functools.lru_cache(maxsize=16)
def _partition(hour: int) -> str:
    began = datetime.fromtimestamp(hour * 3600, timezone.utc)
    return began.strftime("dt=%Y-%m-%d/hour=%H")


def batch_key(batch: Batch) -> str:
    """The key of a batch in one object: `FOLDER/NODE-FIRST-LAST.FORM`."""
    return f"{folder(batch)}/{batch.node}-{batch.first:0{DIGITS}}-{batch.last:0{DIGITS}}.{batch.form}"


def payload_affixes(batch: Batch) -> tuple[str, str]:
    """What stands before a payload's number in the key of its own object, and what follows."""
    return f"{folder(batch)}/{batch.node}-", ".json"


def payload_keys(batch: Batch) -> Callable[[int], str]:
    """How a payload's number becomes the key of an object of its own: `FOLDER/NODE-NUMBER.json`."""
    before, after = payload_affixes(batch)
    return f"{before}{{:0{DIGITS}}}{after}".format


def payload_pattern(batch: Batch) -> str:
    """What the payloads of a batch are called together; `*` stands for the number."""
    return f"{folder(batch)}/{batch.node}-*.json"
