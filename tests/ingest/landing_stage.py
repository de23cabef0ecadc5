"""A landing with all its parts, over a journal and a sink of the test's choice."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from headrace.clock import Clock
from headrace.ingest.batches import Limits
from headrace.ingest.deadletters import DeadLetters
from headrace.ingest.delivery import Delivery
from headrace.ingest.landing import Landing, Plan
from headrace.ingest.manifest import Manifest
from headrace.ingest.tally import Tally
from headrace.sinks import Sink

from .fake_journal import FakeJournal

QUICK = Limits(count=10, age=0.05)


@dataclass
class Stage:
    landing: Landing
    journal: FakeJournal
    manifest: Manifest
    letters: DeadLetters
    tally: Tally


@asynccontextmanager
async def stage(journal, sink: Sink, folder: Path, plan: Plan | None = None) -> AsyncIterator[Stage]:
    """Runs until the block ends, then stops as a crash does: at once. Pauses between attempts are short."""
    tally, letters = Tally(), DeadLetters(folder / "dead")
    manifest = Manifest(folder / "manifest.sqlite")
    delivery = Delivery(sink, letters, tally, Clock(), uniform=lambda: 0.01)
    plan = plan or Plan("node", limits=QUICK)
    landing = Landing(journal, delivery, manifest, plan, tally, Clock())
    with ThreadPoolExecutor() as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        landing.start()
        ended = asyncio.ensure_future(landing.wait())
        try:
            yield Stage(landing, journal, manifest, letters, tally)
        finally:
            await landing.stop(0.0)
            await ended
    manifest.close()
