"""The collector as a service: everything it is made of, put together in one place."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvloop

from headrace import _core
from headrace.clock import Clock
from headrace.errors import OperationError
from headrace.logs.admin import Admin
from headrace.logs.archive import Archive
from headrace.logs.core import client_limits, kept, open_file, open_journal, server_options
from headrace.logs.metrics import PREFIX, FileCollector
from headrace.logs.watch import Watch
from headrace.service.access import Access
from headrace.service.adminport import AdminPort
from headrace.service.certificates import CertificateWatch, Shown
from headrace.service.intake import IntakeCollector
from headrace.service.lifecycle import EventPump, Stop, allow_open_files

if TYPE_CHECKING:
    from headrace.settings import LogsSettings

Announce = Callable[[str, str], None]

FOLDER: Final = "logs"  # of the state folder

log = logging.getLogger(__name__)


def run(settings: "LogsSettings", credentials: Shown, *, token: str, state: Path, announce: Announce) -> None:
    """Run the collector until SIGTERM or SIGINT, then until requests are answered and entries written, within `drain`.

    What isn't written by then waits in the journal for the next start; a second signal ends it at once. `state` is the
    state folder; `announce` hears the public and the admin address once both serve.
    Raises `UsageError`, `OperationError` or `CoreError` when it can't start.
    """

    async def main() -> None:
        allow_open_files()
        await assemble(settings, credentials, token, settings.folder or state / FOLDER).run(announce)

    uvloop.run(main())


def assemble(settings: "LogsSettings", credentials: Shown, token: str, folder: Path) -> "Service":
    """Make all parts, in the order in which they build on one another; the public address is bound last."""
    options, tls = server_options(settings, token), credentials.tls()
    journal = open_journal(settings, folder)
    _tell_of(journal)
    file = open_file(settings, journal, folder)
    archive = Archive(settings.file, kept(settings))
    server = _core.LogServer(journal, options, file=settings.file, line=settings.line)
    engine = _core.Engine(threads=settings.threads, limits=client_limits(settings))

    hurry = asyncio.Event()
    stop = Stop(at_once=_at_once(engine, hurry))
    watch = Watch(engine.counters, journal.status, file.status)
    collectors = (IntakeCollector(PREFIX, engine.counters, journal.status), FileCollector(file.status))
    access = Access(token, credentials.names, open=settings.open)
    admin = Admin(watch, collectors, access, ready=lambda: not stop.asked.is_set())
    port = AdminPort(admin.app(), settings.admin, credentials.admin, credentials.ca)
    listener = engine.listen(settings.address, server, tls=tls)

    def show() -> None:
        if (tls := credentials.tls()) is not None:
            listener.set_tls(tls)
        port.reload()

    certificates = CertificateWatch(credentials, show)
    return Service(
        engine, listener, journal, file, archive, watch, port, certificates, stop, hurry, Clock(), settings.drain
    )


@dataclass(frozen=True)
class Service:
    """The parts that run, and how they begin and end."""

    engine: _core.Engine
    listener: _core.Listener
    journal: _core.Journal
    file: _core.LogFile
    archive: Archive
    watch: Watch
    port: AdminPort
    certificates: CertificateWatch
    stop: Stop
    hurry: asyncio.Event
    clock: Clock
    drain: float

    async def run(self, announce: Announce) -> None:
        """Serve until asked to stop or until a part fails; then finish."""
        pump = EventPump(self.engine, _listener_news)
        pump.start()
        self.archive.start()
        self.stop.listen(reload=self.certificates.reload)
        serving = asyncio.create_task(self.port.run())
        watching = [
            asyncio.create_task(self.certificates.run(), name="the watch of certificates"),
            asyncio.create_task(self.watch.run(), name="the watch of the file"),
        ]
        over = [asyncio.create_task(self.stop.asked.wait()), serving, *watching]
        if await self._has_started(over):
            announce(self.listener.address, self.port.address)
        await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
        self.stop.asked.set()
        await self._finish()
        pump.stop()
        self.port.stop()
        for task in watching:
            task.cancel()
        await serving
        _raise_failure(watching)

    async def _finish(self) -> None:
        """First requests, then what waits for its place in the file."""
        deadline = self.clock.monotonic() + self.drain
        await asyncio.to_thread(self.engine.stop, self.drain)
        left = 0.0 if self.hurry.is_set() else max(0.0, deadline - self.clock.monotonic())
        await asyncio.to_thread(self.file.close, left)
        await asyncio.to_thread(self.journal.close)
        await asyncio.to_thread(self.archive.close)
        if waiting := self.file.status().waiting:
            log.warning("entries that wait in the journal, and are written after the next start: %d", waiting)

    async def _has_started(self, over: "list[asyncio.Task[Any]]") -> bool:
        started = asyncio.create_task(self.port.started())
        done, _ = await asyncio.wait([started, *over], return_when=asyncio.FIRST_COMPLETED)
        return started in done


def _at_once(engine: _core.Engine, hurry: asyncio.Event) -> Callable[[], None]:
    loop = asyncio.get_running_loop()

    def act() -> None:
        loop.call_soon_threadsafe(hurry.set)
        engine.stop(0.0)

    return act


def _tell_of(journal: _core.Journal) -> None:
    """What somebody should know of what was found."""
    for line in journal.damage:
        log.error("the journal is damaged: %s", line)
    if journal.torn:
        log.warning("%d bytes at the journal's end are of a write that was cut short, and are left out", journal.torn)


def _listener_news(events: Sequence[_core.Event]) -> None:
    for event in events:
        log.warning("listener: %s", event.detail)


def _raise_failure(parts: "Sequence[asyncio.Task[None]]") -> None:
    """A part that ended by itself did so by an error of headrace's own; nothing is lost by it."""
    for part in parts:
        error = part.exception() if part.done() and not part.cancelled() else None
        if error is not None:
            hint = "what was accepted is in the journal, and is written after the next start"
            raise OperationError(f"{part.get_name()} ended: {type(error).__name__}: {error}", hint=hint) from error
