"""The membership at work: what happens goes to the registry, what it says goes to the core, the disk, the listeners.

Everything here runs on one event loop, so nothing needs a lock. A call that changes a member has published the new
table by the time it returns.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from headrace.balancer import saved
from headrace.balancer.heartbeat import Heartbeat
from headrace.balancer.member import Member, Offer, State
from headrace.balancer.registry import Registry
from headrace.balancer.routing import Plan, Planner
from headrace.balancer.view import by_id, member_record, member_view
from headrace.clock import Clock
from headrace.errors import OperationError

if TYPE_CHECKING:
    from headrace import _core

log = logging.getLogger(__name__)

TICK = 0.25  # seconds between looks at leases and deadlines
BREATH = 0.01  # seconds; probes that are due closer together are sent together


class Traffic(Protocol):
    """What the membership needs of the core."""

    def check(self, offer: Offer) -> None:
        """Raise `BadRegistrationError` for a server that the core could not talk to."""

    def publish(self, plan: Plan) -> None:
        """New requests follow the plan."""

    def stats(self) -> "Sequence[_core.ServerStats]":
        """What was counted, for each server."""

    def end_streams(self, server: str, over: float) -> None:
        """End the streams of a server that left, spread over so many seconds."""

    def cut(self, server: str) -> int:
        """End what is in flight with a server that left."""


class Membership:
    """The members, kept true.

    `tell` receives news as (kind, data); `file` is where members are saved.
    """

    def __init__(
        self,
        registry: Registry,
        planner: Planner,
        heartbeat: Heartbeat,
        traffic: Traffic,
        *,
        tell: Callable[[str, dict[str, Any]], None],
        file: Path,
        clock: Clock,
    ) -> None:
        self.registry = registry
        self.planner = planner
        self._heartbeat = heartbeat
        self._traffic = traffic
        self._tell = tell
        self._file = file
        self._clock = clock
        self._published: object = None
        self._revision = -1
        self._holding = False
        self._wake = asyncio.Event()
        self._unsaved = asyncio.Event()
        self._stopping = False
        self._left: dict[str, asyncio.Event] = {}
        self._leaving: set[str] = set()

    def restore(self, static: Sequence[Offer]) -> None:
        """Begin with the saved members and those of the settings. Raises `OperationError`."""
        known = saved.load(self._file)
        self.registry.restore(known.members, known.next_number)
        for offer in static:
            self.registry.register(offer)
        self.planner.expect(self.registry.members())
        self._settle()

    def register(self, offer: Offer) -> Member:
        """Add a server or renew its lease. Raises `BadRegistrationError`."""
        known = self.registry.at(offer.address)
        if known is None or known.offer != offer:
            self._traffic.check(offer)
        member = self.registry.register(offer)
        if known is None:
            log.info("Registering application server with address: %s", member.address)
        self._settle()
        return member

    def leave(self, member: Member, reason: str, *, held: bool = False, stays: float | None = None) -> Member:
        """Start to drain it; `stays`: seconds until it ends by itself."""
        member = self.registry.leave(member.id, reason, held=held, stays=stays)
        self._settle()
        return member

    def let_in(self, member: Member) -> Member:
        """Undo the operator's drain."""
        member = self.registry.let_in(member.id)
        self._settle()
        return member

    def remove(self, member: Member) -> Member:
        """Forget it, and end what is in flight with it."""
        member = self.registry.remove(member.id)
        self._settle()
        self._traffic.cut(member.id)
        return member

    async def wait_gone(self, member: Member, seconds: float) -> None:
        """Wait until nothing is in flight with a member that leaves, or for so many seconds."""
        if member.state is State.DRAINING and not member.held:
            left = self._left.setdefault(member.id, asyncio.Event())
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(left.wait(), seconds)

    def record(self, member: Member) -> dict[str, Any]:
        """The member without what was counted, which would take a look at every server."""
        return member_record(member, self._clock.monotonic())

    def view(self, member: Member) -> dict[str, Any]:
        """The member as it is now, for people and programs."""
        return self.views([self.registry.get(member.id) or member])[0]

    def views(self, members: Sequence[Member]) -> list[dict[str, Any]]:
        """The members as they are now."""
        stats = by_id(self._traffic.stats())
        now = self._clock.monotonic()
        return [member_view(member, stats.get(member.id), now) for member in members]

    def happened(self, events: "Sequence[_core.Event]") -> None:
        """Take in events of the core, oldest first."""
        for event in events:
            if event.kind == "probe":
                self._probed(event)
            elif event.kind == "drained":
                self.registry.emptied(event.server)
            else:
                log.warning("listener: %s", event.detail)
                self._tell("listener", {"ok": event.ok, "detail": event.detail})
        self._settle()

    async def run(self) -> None:
        """Watch leases, deadlines and probes, until `stop`."""
        loop = asyncio.get_running_loop()
        next_tick = loop.time()
        while not self._stopping:
            self._wake.clear()
            if loop.time() >= next_tick:
                next_tick = loop.time() + TICK
                self._tick()
            pause = min(self._heartbeat.beat(), next_tick - loop.time())
            alarm = loop.call_later(max(pause, BREATH), self._wake.set)
            await self._wake.wait()
            alarm.cancel()

    async def keep_saved(self) -> None:
        """Save each change, until `stop`; the disk never keeps anyone else waiting."""
        saved_all = False
        while not saved_all:
            await self._unsaved.wait()
            self._unsaved.clear()
            saved_all = self._stopping
            await asyncio.to_thread(self._save, self.registry.members())

    def stop(self) -> None:
        """Let `run` end, and `keep_saved` once what is left is saved."""
        self._stopping = True
        self._wake.set()
        self._unsaved.set()

    def _tick(self) -> None:
        overdue = self.registry.tick()
        self._sweep()
        self._settle()
        for member in overdue:
            self._traffic.cut(member.id)

    def _probed(self, event: "_core.Event") -> None:
        member = self.registry.probed(event.server, ok=event.ok, detail=event.detail)
        if member and self._heartbeat.answered(member, ok=event.ok) < TICK:
            self._wake.set()

    def _settle(self) -> None:
        """Let everyone know what changed: traffic first."""
        changed = self.registry.revision != self._revision
        if changed or self._holding:
            self._publish()
        if changed:
            self._revision = self.registry.revision
            self._unsaved.set()
        for member in self.registry.take_changes():
            self._heartbeat.watch(member)
            self._wake.set()
            if member.state is State.DRAINING and member.deadline is not None:
                self._traffic.end_streams(member.id, max(0.0, member.deadline - self._clock.monotonic()))
            self._announce(member)

    def _publish(self) -> None:
        plan = self.planner.plan(self.registry.members())
        self._holding = any(service.hold for service in plan.services)
        if plan.key() != self._published:
            self._published = plan.key()
            self._traffic.publish(plan)

    def _announce(self, member: Member) -> None:
        log.info("server %s at %s is %s: %s", member.id, member.address, member.state.value, member.reason)
        self._tell("server", self.record(member))
        if member.state is State.GONE and member.id in self._left:
            self._left.pop(member.id).set()

    def _sweep(self) -> None:
        """Find servers that left without a word of the core: those that were not in its table when they did.

        One that left only since the last tick may still be getting a request that was under way to it.
        """
        leaving = {m.id for m in self.registry.members() if m.state is State.DRAINING and not m.held}
        settled, self._leaving = leaving & self._leaving, leaving
        if settled:
            busy = {counted.id for counted in self._traffic.stats() if counted.in_flight}
            for member_id in settled - busy:
                self.registry.emptied(member_id)

    def _save(self, members: Sequence[Member]) -> None:
        try:
            saved.save(self._file, members, self.registry.next_number)
        except OperationError as error:
            log.warning("members are not saved: %s", error)
