"""The way out of this process: a shipper that begins with the first entry, and anew in each child.

After a fork the child has its parent's objects but not their threads, and locks in whatever state they were: it forgets
the shipper without touching it, and makes its own when it has something to say. What the parent had queued is the
parent's to send.
"""

import atexit
import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Final

from headrace import _core
from headrace.logs.destination import Destination
from headrace.logs.fields import clean

LEAVING: Final = 5.0  # seconds for what is left when the process ends
URGENT: Final = frozenset({"ERROR", "ERR", "CRITICAL", "CRIT", "FATAL", "ALERT", "PANIC", "EMERG"})

Put = Callable[[float, str, str, str, str | None, bool], bool]


class Outlet:
    """Sends entries of this process to one collector; `put` is `LogShipper.put` once it has begun.

    Example: `Outlet(find, source="shop").put(time.time(), "INFO", "shop", "open", None, False)`.

    `find` is asked for the destination with the first entry, when the authority may exist at last. What can't be sent
    anywhere is told once on standard error. With `until_exit` nobody else closes it.
    """

    def __init__(
        self,
        find: Callable[[], Destination],
        *,
        source: str,
        queue_bytes: int = 16 << 20,
        spill_bytes: int = 64 << 20,
        until_exit: bool = False,
    ) -> None:
        self.until_exit = until_exit
        self._find = find
        self._source = source
        self._queue_bytes = queue_bytes
        self._spill_bytes = spill_bytes
        self.forget()
        _outlets.add(self)

    def forget(self) -> None:
        """As if nothing had been put yet; what is being sent is left to itself."""
        self._lock = threading.Lock()
        self._shipper: _core.LogShipper | None = None
        self.put: Put = self._first

    def send(self, time: float, level: str, source: str, message: str, fields: str | None) -> bool:
        """Puts an entry whose level and texts may be anything; False when there was no room."""
        urgent = level.upper() in URGENT
        try:
            return self.put(time, level, source, message, fields, urgent)
        except UnicodeEncodeError:
            fields = clean(fields) if fields else None
            return self.put(time, clean(level), clean(source), clean(message), fields, urgent)

    def begun(self) -> _core.LogShipper | None:
        """The shipper, begun now if it wasn't; None where nothing can be sent."""
        with self._lock:
            if self.put == self._first:
                self._begin()
        return self._shipper

    def flush(self, timeout: float) -> bool:
        """As `LogShipper.flush`; at once where nothing was put."""
        return self._shipper is None or self._shipper.flush(timeout)

    def close(self, timeout: float = LEAVING) -> bool:
        """As `LogShipper.close`; an entry that comes later begins anew."""
        shipper = self._shipper
        self.forget()
        return shipper is None or shipper.close(timeout)

    def counts(self) -> dict[str, int]:
        """As `LogShipper.counts`, of this process since it began; empty where nothing was put."""
        return self._shipper.counts() if self._shipper is not None else {}

    def _first(self, time: float, level: str, source: str, message: str, fields: str | None, urgent: bool) -> bool:  # noqa: FBT001 - the core's signature
        self.begun()
        return self.put(time, level, source, message, fields, urgent)

    def _begin(self) -> None:
        try:
            to = self._find()
            self._shipper = _core.LogShipper(
                to.url,
                source=self._source,
                token=to.token,
                ca=to.ca,
                queue_bytes=self._queue_bytes,
                spill=to.spill,
                spill_bytes=self._spill_bytes,
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the program that logs must not end for it
            self.put = _nowhere
            print(f"headrace.logs: log entries can't be sent: {error}", file=sys.stderr)
            return
        self.put = self._shipper.put
        _close_in_child()


def _nowhere(*_: object) -> bool:
    return False


def _close_in_child() -> None:
    """Processes of `multiprocessing` end without what `atexit` knows; they have a list of their own."""
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        multiprocessing.util.Finalize(None, _close_all, exitpriority=0)


def _close_all() -> None:
    for outlet in list(_outlets):
        outlet.close()


def _close_at_exit() -> None:
    for outlet in list(_outlets):
        if outlet.until_exit:
            outlet.close()


def _forget_all() -> None:
    for outlet in list(_outlets):
        outlet.forget()


_outlets: "weakref.WeakSet[Outlet]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_forget_all)
atexit.register(_close_at_exit)
