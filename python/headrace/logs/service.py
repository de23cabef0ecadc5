"""The collector as a service: everything it is made of, put together in one place."""

import asyncio
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop

from headrace import _core
from headrace.clock import Clock
from headrace.logs import zone
from headrace.logs.admin import Admin
from headrace.logs.archive import Archive
from headrace.logs.core import kept, open_file, server_options, syslog_server
from headrace.logs.metrics import PREFIX, FileCollector, SyslogCollector
from headrace.logs.watch import Watch
from headrace.service.access import Access
from headrace.service.adminport import AdminPort
from headrace.service.certificates import Shown
from headrace.service.core import client_limits, open_journal
from headrace.service.front import Front
from headrace.service.intake import IntakeCollector
from headrace.service.lifecycle import Stop, allow_open_files, at_once

if TYPE_CHECKING:
    from headrace.settings import LogsSettings

FOLDER: Final = "logs"  # of the state folder
SAFE: Final = "what was accepted is in the journal, and is written after the next start"

Announce = Callable[..., None]

log = logging.getLogger(__name__)


def run(settings: "LogsSettings", credentials: Shown, *, token: str, state: Path, announce: Announce) -> None:
    """Run the collector until SIGTERM or SIGINT, then until requests are answered and entries written, within `drain`.

    What isn't written by then waits in the journal for the next start; a second signal ends it at once. `state` is the
    state folder; `announce` hears the public and the admin address once both serve, and that of `syslog` by its name.
    Raises `UsageError`, `OperationError` or `CoreError` when it can't start.
    """

    async def main() -> None:
        allow_open_files()
        await assemble(settings, credentials, token, settings.folder or state / FOLDER).run(announce)

    uvloop.run(main())


def assemble(settings: "LogsSettings", credentials: Shown, token: str, folder: Path) -> "Service":
    """Make all parts, in the order in which they build on one another; the public address is bound last."""
    options, tls = server_options(settings, token), credentials.tls()
    journal = open_journal(settings, folder, retain=settings.key_window)
    _tell_of(journal)
    file = open_file(settings, journal, folder)
    archive = Archive(settings.file, kept(settings))
    server = _core.LogServer(journal, options, file=settings.file, line=settings.line)
    engine = _core.Engine(threads=settings.threads, limits=client_limits(settings))

    hurry = asyncio.Event()
    stop = Stop(at_once=at_once(engine, hurry, lambda: file.close(0.0)))
    watch = Watch(engine.counters, journal.status, file.status, tell=server.set_retry_after, clock=Clock())
    collectors = (
        IntakeCollector(PREFIX, engine.counters, journal.status),
        FileCollector(file.status),
        SyslogCollector(engine.counters),
    )
    access = Access(token, credentials.names, open=settings.open)
    admin = Admin(watch, collectors, access, ready=lambda: not stop.asked.is_set())
    port = AdminPort(admin.app(), settings.admin, credentials.admin, credentials.ca)
    syslog = syslog_server(settings, server)
    also = [(settings.syslog, syslog)] if settings.syslog else []
    front = Front.opened(engine, server, settings.address, tls, port, credentials, stop, also=also)
    return Service(front, syslog, journal, file, archive, watch, hurry, settings.drain)


@dataclass(frozen=True)
class Service:
    """The parts that run, and how they begin and end."""

    front: Front
    syslog: _core.SyslogServer
    journal: _core.Journal
    file: _core.LogFile
    archive: Archive
    watch: Watch
    hurry: asyncio.Event
    drain: float

    async def run(self, announce: Announce) -> None:
        """Serve until asked to stop or until a part fails; then finish."""
        self.archive.start()
        parts = [
            asyncio.create_task(self.watch.run(), name="the watch of the file"),
            asyncio.create_task(zone.follow(self.syslog.set_utc_offset), name="the watch of the time zone"),
        ]
        for listener in self.front.beside:
            announce = functools.partial(announce, syslog=listener.address)
        await self.front.serve(announce, parts, self._finish, drain=self.drain, hint=SAFE)

    async def _finish(self, left: float) -> None:
        """What waits for its place in the file gets it, for as long as there is time."""
        await asyncio.to_thread(self.file.close, 0.0 if self.hurry.is_set() else left)
        await asyncio.to_thread(self.journal.close)
        await asyncio.to_thread(self.archive.close)
        if waiting := self.file.status().waiting:
            log.warning("entries that wait in the journal, and are written after the next start: %d", waiting)


def _tell_of(journal: _core.Journal) -> None:
    """What somebody should know of what was found."""
    for line in journal.damage:
        log.error("the journal is damaged: %s", line)
    if journal.torn:
        log.warning("%d bytes at the journal's end are of a write that was cut short, and are left out", journal.torn)
