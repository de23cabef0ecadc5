"""Looks at the collector once a second: what is wrong is logged once, when it begins and when it is over.

What refused clients are told follows from how fast the journal empties.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from headrace.clock import Clock
from headrace.service.rate import Drain

if TYPE_CHECKING:
    from headrace._core import Counters, JournalStatus, LogFileStatus

EVERY: Final = 1.0  # seconds
WRITING: Final = 60.0  # seconds over which the journal's emptying is averaged

log = logging.getLogger(__name__)


class Watch:
    """Example: `watch = Watch(...)`; `await watch.run()`, until cancelled; `watch.view()` for whoever asks.

    `tell` hears what `Retry-After` shall say, in seconds.
    """

    def __init__(
        self,
        counters: "Callable[[], Counters]",
        journal: "Callable[[], JournalStatus]",
        file: "Callable[[], LogFileStatus]",
        *,
        tell: Callable[[float], None],
        clock: Clock,
    ) -> None:
        self._counters = counters
        self._journal = journal
        self._file = file
        self._tell = tell
        self._clock = clock
        self._drain = Drain(WRITING)
        self._told: set[str] = set()

    async def run(self) -> None:
        """Look on, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(EVERY)

    def look(self) -> None:
        """Log what has begun to be wrong, and what is over; tell when it is worth coming back."""
        journal = self._journal()
        done = journal.counts["landed"]
        self._tell(self._drain.retry_after(self._clock.monotonic(), waiting=journal.unlanded, done=done))
        wrong = set(self.wrong())
        for line in sorted(wrong - self._told):
            log.error("%s", line)
        for line in sorted(self._told - wrong):
            log.warning("no longer so: %s", line)
        self._told = wrong

    def wrong(self) -> Iterator[str]:
        """What is wrong now, a line each; nothing when all is well."""
        health, why = self._journal().health
        if health != "good":
            yield f"the journal takes nothing, {health}: {why}"
        if fault := self._file().fault:
            yield f"the log is not being written, entries wait in the journal: {fault}"

    def view(self) -> dict[str, Any]:
        """All that `/status` shows."""
        journal, file, counters = self._journal(), self._file(), self._counters()
        return {
            "accepted": journal.counts["appended"],
            "written": file.counts["lines"],
            "late": file.counts["late"],
            "waiting": journal.unlanded,
            "in_window": file.waiting,
            "file_bytes": file.length,
            "journal_bytes": journal.bytes,
            "wrong": list(self.wrong()),
            "syslog": {
                "open": counters.syslog_open,
                "messages": counters.syslog_messages,
                "malformed": counters.syslog_malformed,
                "cut": counters.syslog_cut,
                "refused_peers": counters.syslog_strangers,
            },
            "requests": counters.requests_http1 + counters.requests_http2,
            "latency": {f"p{percent}": round(counters.latency.percentile(percent), 6) for percent in (50, 99)},
            "refused": {code: count for code, count in counters.refused.items() if count},
        }
