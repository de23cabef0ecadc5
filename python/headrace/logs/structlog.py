"""The processor for structlog."""

import sys
import time
import traceback
from collections.abc import MutableMapping
from datetime import datetime
from typing import Any

from structlog import DropEvent

from headrace.logs.context import request_id
from headrace.logs.destination import checked, destination
from headrace.logs.fields import as_json
from headrace.logs.outlet import Outlet

Event = MutableMapping[str, Any]


class Processor:
    """Sends each event to `headrace logs collect` and passes it on as it is, to a renderer for example.

    Example: `structlog.configure(processors=[Processor(source="shop"), structlog.dev.ConsoleRenderer()])`.

    Where nothing is to be printed it is the last one and ends the event: `Processor(source="shop", last=True)`.
    `url`, `source`, `token`, `ca` and `state` are those of `headrace.logs.Handler`. An event's `event` is the message,
    its `level`, `logger` and `timestamp` (seconds, a time, or ISO 8601) are used where there are any, the rest becomes
    fields.
    """

    def __init__(self, url: str | None = None, source: str = "", *, last: bool = False, **found: Any) -> None:  # noqa: ANN401 - as above
        if url is not None:
            checked(url)
        self._source, self._last = source, last
        self._outlet = Outlet(lambda: destination(url, **found), source=source or "headrace.logs", until_exit=True)

    def __call__(self, logger: object, method: str, event: Event) -> Event:  # noqa: ARG002 - structlog's signature
        """Ships the event and gives it back; the last processor raises `DropEvent`, which ends it for structlog."""
        rest = dict(event)
        message, moment = str(rest.pop("event", "")), _seconds(rest.pop("timestamp", None))
        level = str(rest.pop("level", method)).upper()
        source = self._source or str(rest.get("logger", ""))
        if text := _exception(rest.pop("exc_info", None)):
            rest["exception"] = text
        if (request := request_id.get()) is not None:
            rest.setdefault("request_id", request)
        fields = as_json(rest) if rest else None
        self._outlet.send(moment, level, source, message, fields)
        if self._last:
            raise DropEvent
        return event

    def flush(self, timeout: float) -> bool:
        """Waits until all is with the collector, or at least in the file; whether it was in time."""
        return self._outlet.flush(timeout)


def _seconds(moment: object) -> float:
    try:
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment.replace("Z", "+00:00"))
        if isinstance(moment, datetime):
            return moment.timestamp()
    except ValueError:
        pass
    return float(moment) if isinstance(moment, (int, float)) else time.time()


def _exception(given: object) -> str:
    """What structlog allows as `exc_info`: True, an exception, or what `sys.exc_info` gives."""
    if isinstance(given, tuple) and len(given) == 3:
        given = given[1]
    elif given and not isinstance(given, BaseException):
        given = sys.exc_info()[1]
    return "".join(traceback.format_exception(given)).rstrip() if isinstance(given, BaseException) else ""
