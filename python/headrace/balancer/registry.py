"""The membership as a state machine: a table, and the registry that applies it to records.

Nothing here has sockets, threads or a clock of its own; time comes in through `Clock`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from headrace.balancer.member import Event, Member, Offer, State
from headrace.clock import Clock

TRANSITIONS: Final = {
    (State.JOINING, Event.PROBE_PASSED): State.UP,
    (State.UP, Event.PROBES_FAILED): State.DOWN,
    (State.DOWN, Event.PROBES_PASSED): State.UP,
    (State.JOINING, Event.LEAVE): State.DRAINING,
    (State.UP, Event.LEAVE): State.DRAINING,
    (State.DOWN, Event.LEAVE): State.DRAINING,
    # A lease that ends says nothing about requests in flight: the server may only have lost its way to us.
    (State.JOINING, Event.LEASE_ENDED): State.DRAINING,
    (State.UP, Event.LEASE_ENDED): State.DRAINING,
    (State.DOWN, Event.LEASE_ENDED): State.DRAINING,
    (State.DRAINING, Event.EMPTY): State.GONE,
    (State.DRAINING, Event.DEADLINE): State.GONE,
    (State.DRAINING, Event.RETURN): State.JOINING,
    (State.JOINING, Event.REMOVE): State.GONE,
    (State.UP, Event.REMOVE): State.GONE,
    (State.DOWN, Event.REMOVE): State.GONE,
    (State.DRAINING, Event.REMOVE): State.GONE,
}

GONE_REMEMBERED = 100  # so that `servers` can tell why one left
GONE_SHOWN = 300.0  # seconds
LEAST_PAUSE = 1.0  # seconds between two ticks that are no busy moment but a pause


def after(state: State, event: Event) -> State:
    """The state a server is in once `event` happened to it; `state` itself where the event means nothing there."""
    return TRANSITIONS.get((state, event), state)


@dataclass(frozen=True)
class Rules:
    """How patient the registry is: seconds, and probes in a row. Precedents: docs/balancer.md."""

    lease: float = 10.0
    drain: float = 30.0
    grace: float = 30.0
    probe_good: int = 2
    probe_bad: int = 3


class Registry:
    """All members.

    Example: `registry.register(Offer("127.0.0.1:3000"))`, then `registry.probed("s1", ok=True)` brings it up.

    Methods that change a member return its new record. `take_changes` gives every record whose state changed since
    it was last asked; `revision` grows when anything that matters for routing or saving does.
    """

    def __init__(self, rules: Rules, clock: Clock) -> None:
        self.rules = rules
        self.revision = 0
        self.next_number = 1
        self._clock = clock
        self._members: dict[str, Member] = {}
        self._at: dict[str, str] = {}  # address -> id of the member that a registration from there renews
        self._changes: list[Member] = []
        self._last_tick = clock.monotonic()

    def members(self) -> list[Member]:
        """Everyone, oldest first, with those that left lately at their place."""
        return list(self._members.values())

    def get(self, member_id: str) -> Member | None:
        """The member, also one that left lately."""
        return self._members.get(member_id)

    def at(self, address: str) -> Member | None:
        """The member that listens at `address`: the one that stays before one that leaves."""
        if address in self._at:
            return self._members[self._at[address]]
        leaving = [m for m in self._members.values() if m.address == address and m.state is State.DRAINING]
        return leaving[-1] if leaving else None

    def register(self, offer: Offer) -> Member:
        """Add a server, or renew the lease of the one at that address, with what it says about itself now."""
        now = self._clock.monotonic()
        expires = None if offer.static else now + self.rules.lease
        known = self._at.get(offer.address)
        if known is None:
            member = Member(
                f"s{self.next_number}", offer, State.JOINING, "it registered", self._clock.wall(), now, expires
            )
            self.next_number += 1
            return self._store(member, changed=True)
        member = self._members[known]
        return self._store(replace(member, offer=offer, renewed=now, expires=expires), changed=member.offer != offer)

    def probed(self, member_id: str, *, ok: bool, detail: str = "") -> Member | None:
        """A probe ended. None when it says nothing any more, because the member leaves or left."""
        member = self._members.get(member_id)
        if member is None or not member.probed:
            return None
        member = self._store(replace(member, good=member.good + 1 if ok else 0, bad=0 if ok else member.bad + 1))
        if ok:
            member = self._apply(member, Event.PROBE_PASSED, "its first probe passed")
            if member.good >= self.rules.probe_good:
                member = self._apply(member, Event.PROBES_PASSED, f"{member.good} good probes in a row")
        elif member.state is State.JOINING:
            member = self._store(replace(member, reason=f"it registered, but its probes fail: {detail}"))
        elif member.bad >= self.rules.probe_bad:
            member = self._apply(member, Event.PROBES_FAILED, f"{member.bad} bad probes in a row: {detail}")
        return member

    def leave(self, member_id: str, reason: str, *, held: bool = False, stays: float | None = None) -> Member:
        """It takes no new request. `held`: until the operator says otherwise, as against: because it wants to leave.

        It drains for as long as the rules allow, or for the seconds that it `stays`, if these are fewer.
        Raises `KeyError` for a member that isn't known.
        """
        member = self._members[member_id]
        # Who leaves by itself can't be kept; who is held may still want to leave.
        if member.state is State.GONE or (member.state is State.DRAINING and (held or not member.held)):
            return member
        drain = self.rules.drain if stays is None else min(stays, self.rules.drain)
        deadline = self._clock.monotonic() + drain
        leaving = replace(member, held=held, deadline=deadline, reason=reason)
        return self._apply(self._store(leaving, changed=True), Event.LEAVE, reason)

    def let_in(self, member_id: str) -> Member:
        """Undo a drain by the operator; it joins anew. Raises `KeyError` for a member that isn't known."""
        member = self._members[member_id]
        if not member.held:
            return member
        again = replace(member, held=False, deadline=None, good=0, bad=0)
        return self._apply(again, Event.RETURN, "the operator let it in again")

    def remove(self, member_id: str) -> Member:
        """Forget it at once. Raises `KeyError` for a member that isn't known."""
        return self._apply(replace(self._members[member_id], held=False), Event.REMOVE, "the operator removed it")

    def emptied(self, member_id: str) -> None:
        """Nothing is in flight with it any more."""
        member = self._members.get(member_id)
        if member and not member.held:
            self._apply(member, Event.EMPTY, f"{member.reason}; nothing is in flight any more")

    def tick(self) -> list[Member]:
        """Let time pass: leases and drains end. Returns members whose requests are to be cut now."""
        now = self._clock.monotonic()
        self._forgive(now - self._last_tick)
        self._last_tick = now
        for member in self.members():
            if member.expires is not None and member.expires <= now:
                self._lease_ended(member, now)
        overdue = [m for m in self._members.values() if m.deadline is not None and m.deadline <= now]
        for member in overdue:
            self._drain_ended(member)
        self._forget_gone()
        return overdue

    def restore(self, members: Iterable[Member], next_number: int) -> None:
        """Begin with members known from before: picked at once, out at their first bad probe, kept for the grace."""
        now = self._clock.monotonic()
        self.next_number = max(self.next_number, next_number)
        for member in members:
            expires = None if member.offer.static else now + self.rules.grace
            bad = self.rules.probe_bad - 1 if member.state is State.UP else 0
            self._store(replace(member, renewed=now, expires=expires, bad=bad), changed=True)

    def take_changes(self) -> list[Member]:
        """Records whose state changed since the last call, in order."""
        changes, self._changes = self._changes, []
        return changes

    def _forgive(self, pause: float) -> None:
        """A pause of ours (suspended, stopped, swapped out) says nothing about the members: their leases go on."""
        if pause < max(self.rules.lease / 2, LEAST_PAUSE):
            return
        for member in self.members():
            if member.expires is not None:
                self._store(replace(member, expires=member.expires + pause))

    def _lease_ended(self, member: Member, now: float) -> None:
        reason = f"its lease was not renewed for {now - member.renewed:.0f} s"
        if member.state is State.DOWN:
            reason = f"{member.reason}; {reason}"
        deadline = now + self.rules.drain if member.deadline is None else member.deadline
        ended = self._store(replace(member, expires=None, held=False, deadline=deadline), changed=True)
        self._apply(ended, Event.LEASE_ENDED, reason)

    def _drain_ended(self, member: Member) -> None:
        member = self._store(replace(member, deadline=None))
        if not member.held:
            self._apply(member, Event.DEADLINE, f"{member.reason}; not empty in time, cut")

    def _forget_gone(self) -> None:
        gone = [m for m in self._members.values() if m.state is State.GONE]
        fresh = self._clock.wall() - GONE_SHOWN
        for at, member in enumerate(gone):
            if member.since < fresh or at < len(gone) - GONE_REMEMBERED:
                del self._members[member.id]

    def _apply(self, member: Member, event: Event, reason: str) -> Member:
        """Take the table's step; a step that leads nowhere changes no state and no reason."""
        state = after(member.state, event)
        if state is member.state:
            return self._store(member)
        if state is State.GONE:
            member = replace(member, expires=None, deadline=None)
        member = self._store(replace(member, state=state, reason=reason, since=self._clock.wall()), changed=True)
        self._changes.append(member)
        return member

    def _store(self, member: Member, *, changed: bool = False) -> Member:
        if member.id not in self._members and member.state is not State.GONE:
            self._changes.append(member)
        self._members[member.id] = member
        if member.probed or member.held:
            self._at[member.address] = member.id
        elif self._at.get(member.address) == member.id:
            del self._at[member.address]
        self.revision += changed
        return member
