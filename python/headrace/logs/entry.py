"""Entries without `logging`: one call."""

import time
from datetime import datetime

from headrace.logs.context import request_id
from headrace.logs.destination import destination
from headrace.logs.fields import as_json
from headrace.logs.outlet import Outlet

_outlet = Outlet(destination, source="headrace.logs", until_exit=True)


def write_entry(
    message: str,
    level: str = "INFO",
    *,
    source: str = "",
    timestamp: datetime | float | None = None,
    **fields: object,
) -> bool:
    """Sends an entry to the collector at `$HEADRACE_LOGS_URL`, else at https://127.0.0.1:6000; never waits.

    Example: `write_entry("sold out", "WARNING", source="shop", article=7)`.

    `timestamp` is a time or seconds since 1970, by default now. False when there was no room for the entry.
    """
    at = timestamp.timestamp() if isinstance(timestamp, datetime) else timestamp
    if "request_id" not in fields and (request := request_id.get()) is not None:
        fields["request_id"] = request
    further = as_json(fields) if fields else None
    return _outlet.send(time.time() if at is None else at, level, source, message, further)


def flush(timeout: float) -> bool:
    """Waits until what `write_entry` was given is with the collector, or at least in the file; whether in time."""
    return _outlet.flush(timeout)
