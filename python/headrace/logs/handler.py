"""The handler for Python's `logging`."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from headrace._core import LogShipper
from headrace.errors import UsageError
from headrace.logs.context import request_id
from headrace.logs.destination import Destination, checked, destination
from headrace.logs.fields import as_json
from headrace.logs.outlet import LEAVING, Outlet

STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
PLAIN: Final = len(vars(logging.makeLogRecord({})))
FIELDS: Final[dict[str, Callable[[logging.LogRecord], object]]] = {
    "logger": lambda record: record.name,
    "location": lambda record: f"{record.pathname}:{record.lineno}",
    "process": lambda record: record.process,
    "thread": lambda record: record.threadName,
}
FLUSH: Final = 2.0  # seconds

_traceback = logging.Formatter()


class Handler(logging.Handler):
    """Sends records to `headrace logs collect`. A log call copies into a bounded queue and never waits.

    Example: `logging.getLogger().addHandler(Handler(source="shop"))`, or in `dictConfig`
    `{"class": "headrace.logs.Handler", "source": "shop"}`.

    | parameter | meaning |
    |---|---|
    | `url` | the collector; by default `$HEADRACE_LOGS_URL`, else https://127.0.0.1:6000 |
    | `source` | who writes; by default the logger's name |
    | `token`, `ca` | by default `$HEADRACE_LOGS_TOKEN`, else what the state folder of this machine has |
    | `state` | the state folder; by default `$HEADRACE_HOME`, else ~/.headrace |
    | `fields` | what else of each record is told: any of logger, location, process, thread |
    | `queue_bytes` | most bytes in memory; what comes then is dropped, counted and told by an entry of its own |
    | `spill_bytes` | most bytes of the file for what the collector doesn't take yet |

    A record's `extra` becomes fields of the entry, an exception the field `exception`. A formatter, where one is set,
    makes the message, its exception included. Raises `UsageError` for a URL or fields that can't be used.
    """

    def __init__(
        self,
        url: str | None = None,
        source: str = "",
        *,
        token: str | None = None,
        ca: str | Path | None = None,
        state: str | Path | None = None,
        fields: Sequence[str] = (),
        level: int | str = logging.NOTSET,
        queue_bytes: int = 16 << 20,
        spill_bytes: int = 64 << 20,
    ) -> None:
        super().__init__(level)
        if url is not None:
            checked(url)
        if unknown := [name for name in fields if name not in FIELDS]:
            raise UsageError(f"records have no field {unknown[0]}", hint=f"choose from {', '.join(FIELDS)}")

        def find() -> Destination:
            return destination(url, token=token, ca=ca, state=state)

        self.source = source
        self._fields = {name: FIELDS[name] for name in fields}
        self._outlet = Outlet(find, source=source or "headrace.logs", queue_bytes=queue_bytes, spill_bytes=spill_bytes)

    def handle(self, record: logging.LogRecord) -> bool:
        """Without the lock of `logging.Handler`: the core has its own, and holds it for a copy only."""
        kept: bool | logging.LogRecord = self.filter(record) if self.filters else True
        if kept:
            self.emit(record if kept is True else kept)
        return bool(kept)

    def emit(self, record: logging.LogRecord) -> None:
        """Puts the record into the queue."""
        try:
            message = record.msg
            if self.formatter is not None:
                message = self.format(record)
            elif record.args or type(message) is not str:
                message = record.getMessage()
            fields = None
            if (
                record.exc_info
                or record.stack_info
                or self._fields
                or len(record.__dict__) != PLAIN
                or request_id.get() is not None
            ):
                fields = self._further(record)
            source = self.source or record.name
            try:
                self._outlet.put(
                    record.created, record.levelname, source, message, fields, record.levelno >= logging.ERROR
                )
            except UnicodeEncodeError:
                self._outlet.send(record.created, record.levelname, source, message, fields)
        except Exception:  # noqa: BLE001 - as every handler of `logging`
            self.handleError(record)

    def shipper(self) -> LogShipper | None:
        """What sends the entries, for parts of the core that have some of their own; None where nothing can be sent."""
        return self._outlet.begun()

    def flush(self) -> None:
        """Waits, two seconds at most, until all is with the collector or at least in the file."""
        self._outlet.flush(FLUSH)

    def close(self) -> None:
        """Sends what is left, within five seconds; what can't be sent stays in the file for the next process."""
        self._outlet.close(LEAVING)
        super().close()

    def counts(self) -> dict[str, int]:
        """What became of this process's entries, as `headrace._core.LogShipper.counts` tells it."""
        return self._outlet.counts()

    def _further(self, record: logging.LogRecord) -> str | None:
        found = {name: read(record) for name, read in self._fields.items()}
        if (request := request_id.get()) is not None:
            found["request_id"] = request
        found |= {name: value for name, value in record.__dict__.items() if name not in STANDARD}
        if self.formatter is None:
            if record.exc_info and not record.exc_text:
                record.exc_text = _traceback.formatException(record.exc_info)
            if record.exc_text:
                found["exception"] = record.exc_text
            if record.stack_info:
                found["stack"] = record.stack_info
        return as_json(found) if found else None
