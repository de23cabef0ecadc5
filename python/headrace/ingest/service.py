"""Ingest as a service: everything it is made of, put together in one place."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvloop

from headrace import _core
from headrace.clock import Clock
from headrace.errors import OperationError
from headrace.ingest.admin import Admin
from headrace.ingest.batches import Limits
from headrace.ingest.core import client_limits, node_name, open_journal, server_options
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
from headrace.service.certificates import CertificateWatch, Shown
from headrace.service.intake import IntakeCollector
from headrace.service.lifecycle import EventPump, Stop, allow_open_files
from headrace.settings import IngestSettings
from headrace.sinks import Sink
from headrace.sinks.batch import EACH
from headrace.sinks.encoding import check
from headrace.sinks.target import sink_for

Announce = Callable[[str, str], None]

FOLDER: Final = "ingest"  # of the state folder
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

    journal = open_journal(settings, node, folder)
    named = streams(settings.paths, folder / "streams.json")
    manifest, letters = Manifest(folder / "manifest.sqlite"), DeadLetters(folder / "dead")
    delivery = Delivery(sink, letters, tally, clock)
    plan = Plan(node, form, named.names, _limits(settings), settings.workers, settings.compression_level)
    landing = Landing(CoreJournal(journal), delivery, manifest, plan, tally, clock)

    server = _core.IngestServer(journal, server_options(settings, named))
    engine = _core.Engine(threads=settings.threads, limits=client_limits(settings))
    hurry = asyncio.Event()
    stop = Stop(at_once=_at_once(engine, hurry))
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
    listener = engine.listen(settings.address, server, tls=tls)

    def show() -> None:
        if (tls := credentials.tls()) is not None:
            listener.set_tls(tls)
        port.reload()

    watch = CertificateWatch(credentials, show)
    return Service(
        engine, listener, journal, landing, manifest, sink, pulse, port, watch, stop, hurry, clock, settings.drain
    )


@dataclass(frozen=True)
class Service:
    """The parts that run, and how they begin and end."""

    engine: _core.Engine
    listener: _core.Listener
    journal: _core.Journal
    landing: Landing
    manifest: Manifest
    sink: Sink
    pulse: Pulse
    port: AdminPort
    watch: CertificateWatch
    stop: Stop
    hurry: asyncio.Event
    clock: Clock
    drain: float

    async def run(self, announce: Announce) -> bool:
        """Serve until asked to stop or until a part fails; then finish. Whether all that was accepted landed."""
        pump = EventPump(self.engine, _listener_news)
        pump.start()
        self.stop.listen(reload=self.watch.reload)
        self.landing.start()
        serving = asyncio.create_task(self.port.run())
        landing = asyncio.create_task(self.landing.wait(), name="landing")
        watching = [
            asyncio.create_task(self.watch.run(), name="the watch of certificates"),
            asyncio.create_task(self.pulse.run(), name="the watch of rates"),
        ]
        over = [asyncio.create_task(self.stop.asked.wait()), serving, landing, *watching]
        if await self._has_started(over):
            announce(self.listener.address, self.port.address)
        await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
        self.stop.asked.set()
        landed = await self._finish(pump)
        self.port.stop()
        for task in watching:
            task.cancel()
        await serving
        await self.sink.close()
        self.manifest.close()
        _raise_failure([landing, *watching])
        return landed

    async def _finish(self, pump: EventPump) -> bool:
        """First requests, then payloads; nobody waits for a batch to grow meanwhile, least of all a client."""
        deadline = self.clock.monotonic() + self.drain
        self.landing.hurry()
        await asyncio.to_thread(self.engine.stop, self.drain)
        pump.stop()
        hurry = asyncio.create_task(self.hurry.wait())
        ending = asyncio.create_task(self.landing.stop(max(0.0, deadline - self.clock.monotonic())))
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

    async def _has_started(self, over: "list[asyncio.Task[Any]]") -> bool:
        started = asyncio.create_task(self.port.started())
        done, _ = await asyncio.wait([started, *over], return_when=asyncio.FIRST_COMPLETED)
        return started in done


def _limits(settings: IngestSettings) -> Limits:
    return Limits(stored=settings.batch_bytes, count=settings.batch_count, age=settings.batch_age)


def _gauges(landing: Landing, letters: DeadLetters) -> dict[str, tuple[str, Callable[[], float]]]:
    return {
        "oldest_seconds": ("Age of the oldest payload that hasn't landed.", landing.oldest),
        "workers": ("Batches that can land at once.", lambda: float(landing.workers[0])),
        "dead_letters": ("Batches that were set aside.", lambda: float(len(letters))),
    }


def _at_once(engine: _core.Engine, hurry: asyncio.Event) -> Callable[[], None]:
    loop = asyncio.get_running_loop()

    def act() -> None:
        loop.call_soon_threadsafe(hurry.set)
        engine.stop(0.0)

    return act


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


def _listener_news(events: Sequence[_core.Event]) -> None:
    for event in events:
        log.warning("listener: %s", event.detail)


def _raise_failure(parts: "Sequence[asyncio.Task[None]]") -> None:
    """A part that ended by itself did so by an error of headrace's own; nothing is lost by it."""
    for part in parts:
        error = part.exception() if part.done() and not part.cancelled() else None
        if error is not None:
            hint = "what was accepted is in the journal, and lands after the next start"
            raise OperationError(f"{part.get_name()} ended: {type(error).__name__}: {error}", hint=hint) from error


def _leave() -> None:
    """Ends the process now: a call that hangs in a thread of a sink must not hold it, as its payloads are safe."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)
