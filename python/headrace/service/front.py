"""What every service has at its front, and how a service begins and ends."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from headrace import _core
from headrace.clock import Clock
from headrace.errors import OperationError
from headrace.service.adminport import AdminPort
from headrace.service.certificates import CertificateWatch, Shown
from headrace.service.lifecycle import EventPump, Stop, keep_all

Announce = Callable[[str, str], None]
Handler = _core.Balancer | _core.CacheServer | _core.IngestServer | _core.LogServer | _core.SyslogServer
Part = asyncio.Task[Any]
T = TypeVar("T")

log = logging.getLogger(__name__)


def tell_of_listener(events: Sequence[_core.Event]) -> None:
    """Logs what a listener has to say, which is all that the engine of most services tells."""
    for event in events:
        log.warning("listener: %s", event.detail)


@dataclass(frozen=True)
class Front:
    """The engine with its public address, the admin port, their certificates, and the wish to stop.

    Example: `front = Front.opened(engine, server, "0.0.0.0:7000", tls, port, credentials, stop)`, then
    `await front.serve(announce, parts, finish, drain=30.0)`.
    """

    engine: _core.Engine
    listener: _core.Listener
    port: AdminPort
    certificates: CertificateWatch
    stop: Stop
    beside: Sequence[_core.Listener] = ()

    @classmethod
    def opened(
        cls,
        engine: _core.Engine,
        handler: Handler,
        address: str,
        tls: _core.Tls | None,
        port: AdminPort,
        credentials: Shown,
        stop: Stop,
        *,
        also: Sequence[tuple[str, Handler]] = (),
    ) -> "Front":
        """Binds the public address, and what `also` is served, in the same way. Raises `AddressError`."""
        beside = [engine.listen(other, another, tls=tls) for other, another in also]
        listener = engine.listen(address, handler, tls=tls)

        def show() -> None:
            if (shown := credentials.tls()) is not None:
                for each in (listener, *beside):
                    each.set_tls(shown)
            port.reload()

        return cls(engine, listener, port, CertificateWatch(credentials, show), stop, beside)

    async def serve(
        self,
        announce: Announce,
        parts: Sequence[Part],
        finish: Callable[[float], Awaitable[T]],
        *,
        drain: float,
        hint: str,
        take: Callable[[list[_core.Event]], None] = tell_of_listener,
        leaving: Callable[[], None] = lambda: None,
    ) -> T:
        """Serve until asked to stop or until a part ends; then let requests finish for `drain` seconds, then `finish`.

        `announce` hears the public and the admin address once both serve. `parts` run meanwhile; what of them still
        runs after `finish`, which is told how many seconds are left, is cancelled. `take` gets the engine's events.
        `leaving` is called before requests are waited for. Returns what `finish` does.
        Raises `OperationError` with `hint` where a part ended by an error.
        """
        pump = EventPump(self.engine, take)
        pump.start()
        self.stop.listen(reload=self.certificates.reload)
        serving = asyncio.create_task(self.port.run(), name="the admin port")
        parts = [*parts, asyncio.create_task(self.certificates.run(), name="the watch of certificates")]
        await self._until_over(announce, [serving, *parts])
        leaving()
        clock = Clock()
        deadline = clock.monotonic() + drain
        await asyncio.to_thread(self.engine.stop, drain)
        pump.stop()
        result = await finish(max(0.0, deadline - clock.monotonic()))
        self.port.stop()
        for part in parts:
            part.cancel()
        await serving
        _raise_failure(parts, hint)
        return result

    async def _until_over(self, announce: Announce, parts: Sequence[Part]) -> None:
        over = [asyncio.create_task(self.stop.asked.wait()), *parts]
        started = asyncio.create_task(self.port.started())
        done, _ = await asyncio.wait([started, *over], return_when=asyncio.FIRST_COMPLETED)
        if started in done:
            keep_all()
            announce(self.listener.address, self.port.address)
        await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
        self.stop.asked.set()


def _raise_failure(parts: Sequence[Part], hint: str) -> None:
    """A part that ended by itself did so by an error of headrace's own."""
    for part in parts:
        error = part.exception() if part.done() and not part.cancelled() else None
        if error is not None:
            raise OperationError(f"{part.get_name()} ended: {type(error).__name__}: {error}", hint=hint) from error
