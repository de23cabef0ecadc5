"""Looks at the service once a second: how fast it accepts and lands, what refused clients are told, what is wrong."""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from headrace.clock import Clock
from headrace.ingest.landing import Landing
from headrace.ingest.tally import Tally
from headrace.service.rate import Drain, Rate

if TYPE_CHECKING:
    from headrace._core import Counters, JournalStatus

EVERY: Final = 1.0  # seconds
ACCEPTING: Final = 10.0  # seconds over which acceptance is averaged
LANDING: Final = 60.0  # and landing, which comes in batches

log = logging.getLogger(__name__)


class Pulse:
    """Example: `pulse = Pulse(...)`; `await pulse.run()`, until cancelled; `pulse.view()` for whoever asks.

    `tell` hears what `Retry-After` shall say, in seconds.
    """

    def __init__(
        self,
        journal: "Callable[[], JournalStatus]",
        counters: "Callable[[], Counters]",
        landing: Landing,
        tally: Tally,
        *,
        queue: int,
        tell: Callable[[float], None],
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._counters = counters
        self._landing = landing
        self._tally = tally
        self._queue = queue
        self._tell = tell
        self._clock = clock
        self._accepted = Rate(ACCEPTING)
        self._landed = Rate(LANDING)
        self._drain = Drain(LANDING)
        self._health = "good"
        self._look()

    async def run(self) -> None:
        """Look on, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            self._look()

    @property
    def health(self) -> str:
        """What is wrong with the journal; empty when it takes payloads."""
        health, why = self._journal().health
        return "" if health == "good" else f"{health}: {why}"

    def view(self) -> dict[str, Any]:
        """All that `headrace ingest status` shows."""
        journal, counters, tally = self._journal(), self._counters(), self._tally
        workers, busy = self._landing.workers
        return {
            "accepted": journal.counts["appended"],
            "accepted_per_second": round(self._accepted.per_second, 1),
            "landed": tally.payloads,
            "landed_per_second": round(self._landed.per_second, 1),
            "queue": journal.unlanded,
            "queue_limit": self._queue,
            "oldest_seconds": round(self._landing.oldest(), 1),
            "journal_bytes": journal.bytes,
            "journal": self.health or "good",
            "workers": workers,
            "workers_busy": busy,
            "uploads": sum(tally.uploads.counts),
            "upload_latency": {f"p{percent}": tally.uploads.percentile(percent) for percent in (50, 99)},
            "failed_uploads": dict(tally.failures),
            "held": tally.held,
            "set_aside": tally.set_aside,
            "lost": tally.lost,
            "requests": counters.requests_http1 + counters.requests_http2,
            "latency": {f"p{percent}": round(counters.latency.percentile(percent), 6) for percent in (50, 99)},
            "refused": {code: count for code, count in counters.refused.items() if count},
        }

    def _look(self) -> None:
        now, journal = self._clock.monotonic(), self._journal()
        self._accepted.add(now, journal.counts["appended"])
        self._landed.add(now, journal.counts["landed"])
        self._tell(self._drain.retry_after(now, waiting=journal.unlanded, done=journal.counts["landed"]))
        health, why = journal.health
        if health != self._health:
            self._health = health
            (log.warning if health == "good" else log.error)("the journal is %s %s", health, why)
