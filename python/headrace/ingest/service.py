"""Ingest as a service: everything it is made of, put together in one place."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from headrace import _core
from headrace.clock import Clock
from headrace.ingest.admin import Admin
from headrace.ingest.batches import Limits
from headrace.ingest.core import node_name, server_options
from headrace.ingest.corejournal import CoreJournal
from headrace.ingest.deadletters import DeadLetters
from headrace.ingest.delivery import Delivery
from headrace.ingest.landing import Landing, Plan
from headrace.ingest.manifest import Manifest
from headrace.ingest.metrics import PREFIX, LandingCollector
from headrace.ingest.noting import NotingSink
from headrace.ingest.pulse import Pulse
from headrace.ingest.streams import streams
from headrace.ingest.tally import Tally
from headrace.ingest.workers import MOST_WORKERS
from headrace.service.access import Access
from headrace.service.adminport import AdminPort
from headrace.service.certificates import Shown
from headrace.service.core import client_limits, open_journal
from headrace.service.front import Announce, Front
from headrace.service.intake import IntakeCollector
from headrace.service.lifecycle import Stop, allow_open_files, at_once
from headrace.settings import IngestSettings
from headrace.sinks import Sink
from headrace.sinks.batch import EACH
from headrace.sinks.encoding import check
from headrace.sinks.target import sink_for

FOLDER: Final = "ingest"  # of the state folder
SAFE: Final = "what was accepted is in the journal, and lands after the next start"
OTHER_THREADS: Final = 4  # beside one for each worker: reading the journal, stopping, closing

log = logging.getLogger(__name__)


def run(settings: IngestSettings, credentials: Shown, *, token: str, state: Path, announce: Announce) -> None:
    """Run ingest until SIGTERM or SIGINT, then until requests are answered and payloads landed, within `drain`.

    What hasn't landed by then lands after the next start; a second signal ends it at once. `state` is the state
    folder; `announce` hears the public and the admin address once both serve.
    Raises `UsageError`, `OperationError` or `CoreError` when it can't start, `OperationError` when landing ends.
    """

    async def main() -> bool:
        allow_open_files()
        threads = ThreadPoolExecutor(MOST_WORKERS + OTHER_THREADS, thread_name_prefix="headrace-ingest")
        asyncio.get_running_loop().set_default_executor(threads)
        service = assemble(settings, credentials, token, state / FOLDER)
        landed = await service.run(announce)
        if not landed:
            _leave()
        return landed

    uvloop.run(main())


def assemble(settings: IngestSettings, credentials: Shown, token: str, folder: Path) -> "Service":
    """Make all parts, in the order in which they build on one another; the public address is bound last."""
    clock, tally = Clock(), Tally()
    node, form = node_name(settings.node), EACH if settings.objects == "each" else settings.format
    check(form, settings.compression_level)
    sink, tls = sink_for(settings.to), credentials.tls()

    journal = open_journal(settings, folder, node=node, retain=settings.window)
    named = streams(settings.paths, folder / "streams.json")
    manifest, letters = Manifest(folder / "manifest.sqlite"), DeadLetters(folder / "dead")
    delivery = Delivery(sink, letters, tally, clock)
    plan = Plan(node, form, named.names, _limits(settings), settings.workers, settings.compression_level)
    landing = Landing(CoreJournal(journal), delivery, manifest, plan, tally, clock)

    server = _core.IngestServer(journal, server_options(settings, named))
    engine = _core.Engine(threads=settings.threads, limits=client_limits(settings))
    hurry = asyncio.Event()
    stop = Stop(at_once=at_once(engine, hurry))
    pulse = Pulse(
        journal.status, engine.counters, landing, tally, queue=settings.queue, tell=server.set_retry_after, clock=clock
    )
    collectors = (
        IntakeCollector(PREFIX, engine.counters, journal.status),
        LandingCollector(tally, _gauges(landing, letters)),
    )
    access = Access(token, credentials.names, open=settings.open)
    admin = Admin(
        pulse, landing, letters, NotingSink(sink, manifest), collectors, access, ready=lambda: not stop.asked.is_set()
    )
    port = AdminPort(admin.app(), settings.admin, credentials.admin, credentials.ca)
    _tell_of(journal, settings)
    front = Front.opened(engine, server, settings.address, tls, port, credentials, stop)
    return Service(front, journal, landing, manifest, sink, pulse, hurry, settings.drain)


@dataclass(frozen=True)
class Service:
    """The parts that run, and how they begin and end."""

    front: Front
    journal: _core.Journal
    landing: Landing
    manifest: Manifest
    sink: Sink
    pulse: Pulse
    hurry: asyncio.Event
    drain: float

    async def run(self, announce: Announce) -> bool:
        """Serve until asked to stop or until a part fails; then finish. Whether all that was accepted landed."""
        self.landing.start()
        parts = [
            asyncio.create_task(self.landing.wait(), name="landing"),
            asyncio.create_task(self.pulse.run(), name="the watch of rates"),
        ]
        try:
            return await self.front.serve(
                announce, parts, self._finish, drain=self.drain, hint=SAFE, leaving=self.landing.hurry
            )
        finally:
            await self.sink.close()
            self.manifest.close()

    async def _finish(self, left: float) -> bool:
        """After the requests the payloads; nobody waits for a batch to grow meanwhile, least of all a client."""
        hurry = asyncio.create_task(self.hurry.wait())
        ending = asyncio.create_task(self.landing.stop(left))
        await asyncio.wait([ending, hurry], return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        landed = ending.done() and ending.result()
        if not ending.done():
            ending.cancel()
            await self.landing.stop(0.0)
        await asyncio.to_thread(self.journal.close)
        if waiting := self.journal.status().unlanded:
            log.warning("payloads that wait in the journal, and land after the next start: %d", waiting)
        return landed


def _limits(settings: IngestSettings) -> Limits:
    return Limits(
        stored=settings.batch_bytes,
        count=settings.batch_count,
        age=settings.batch_age,
        # While the one half lands the other one is filled.
        queue=max(1, settings.queue // 2),
        queue_bytes=settings.journal_bytes // 4,
    )


def _gauges(landing: Landing, letters: DeadLetters) -> dict[str, tuple[str, Callable[[], float]]]:
    return {
        "oldest_seconds": ("Age of the oldest payload that hasn't landed.", landing.oldest),
        "workers": ("Batches that can land at once.", lambda: float(landing.workers[0])),
        "dead_letters": ("Batches that were set aside.", lambda: float(len(letters))),
    }


def _tell_of(journal: _core.Journal, settings: IngestSettings) -> None:
    """What somebody should know of what was found, and of what is going to happen."""
    for line in journal.damage:
        log.error("the journal is damaged: %s", line)
    if journal.torn:
        log.warning("%d bytes at the journal's end are of a write that was cut short, and are left out", journal.torn)
    if waiting := journal.status().unlanded:
        log.info("payloads of before that wait to be landed: %d", waiting)
    if settings.objects == "each":
        log.warning("objects = each: a store charges for each payload, as for a request; batches cost next to nothing")


def _leave() -> None:
    """Ends the process now: a call that hangs in a thread of a sink must not hold it, as its payloads are safe."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)
