"""The cache as a service: everything it is made of, put together in one place."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop

from headrace import _core
from headrace.cache.admin import Admin
from headrace.cache.core import open_store, server_options
from headrace.cache.metrics import StoreCollector
from headrace.cache.snapshot import restore, save
from headrace.service.access import Access
from headrace.service.adminport import AdminPort
from headrace.service.certificates import Shown
from headrace.service.core import client_limits
from headrace.service.front import Announce, Front
from headrace.service.lifecycle import Stop, allow_open_files, at_once

if TYPE_CHECKING:
    from headrace.settings import CacheSettings

LOST: Final = "what was cached is gone, and is computed anew where it is asked for"


def run(settings: "CacheSettings", credentials: Shown, *, token: str, announce: Announce) -> None:
    """Run the cache until SIGTERM or SIGINT, then until requests are answered, within `drain`.

    A second signal ends it at once. `announce` hears the public and the admin address once both serve.
    Raises `UsageError`, `OperationError` or `CoreError` when it can't start.
    """

    async def main() -> None:
        allow_open_files()
        await assemble(settings, credentials, token).run(announce)

    uvloop.run(main())


def assemble(settings: "CacheSettings", credentials: Shown, token: str) -> "Service":
    """Make all parts, in the order in which they build on one another; the public address is bound last."""
    options, tls = server_options(settings, token), credentials.tls()
    store = open_store(settings)
    if settings.snapshot:
        restore(store, settings.snapshot)
    server = _core.CacheServer(store, options)
    engine = _core.Engine(threads=settings.threads, limits=client_limits(settings))

    hurry = asyncio.Event()
    stop = Stop(at_once=at_once(engine, hurry))
    collector = StoreCollector(engine.counters, store.stats)
    access = Access(token, credentials.names, open=settings.open)
    admin = Admin(engine.counters, store.stats, collector, access, ready=lambda: not stop.asked.is_set())
    port = AdminPort(admin.app(), settings.admin, credentials.admin, credentials.ca)
    front = Front.opened(engine, server, settings.address, tls, port, credentials, stop)
    return Service(front, store, settings.snapshot, hurry, settings.drain)


@dataclass(frozen=True)
class Service:
    """The parts that run, and how they begin and end."""

    front: Front
    store: _core.Store
    snapshot: Path | None
    hurry: asyncio.Event
    drain: float

    async def run(self, announce: Announce) -> None:
        """Serve until asked to stop or until a part fails; then finish."""
        await self.front.serve(announce, [], self._finish, drain=self.drain, hint=LOST)

    async def _finish(self, _left: float) -> None:
        """What is kept is written down where that is asked for, and nobody is in a hurry."""
        if self.snapshot and not self.hurry.is_set():
            await asyncio.to_thread(save, self.store, self.snapshot)
