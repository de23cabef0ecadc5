"""When each member is asked how it is: a schedule, without sockets or a clock of its own.

A new member is asked at once, and soon again while it says no, so that joining isn't slow; one that comes back is
asked again soon, too. All others are asked once an interval, jittered so that they don't march in step. One that
leaves is never asked.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

from headrace.balancer.member import Member, Offer, State
from headrace.clock import Clock

FIRST_RETRY = 0.05  # seconds, doubled up to the interval
JITTER = 0.1  # of the interval, either way
LOST_AFTER = 5.0  # seconds after its time-out a probe without result is given up


@dataclass
class Pulse:
    """One member's schedule: where and when it is asked next, and how often in a row it said no."""

    offer: Offer
    due: float = 0.0
    failures: int = 0


class Heartbeat:
    """The schedule of all members.

    Example: `heartbeat.watch(member)`; then `heartbeat.beat()` probes whoever is due and tells how long to sleep;
    `heartbeat.answered(member, ok=True)` plans the next time.
    """

    def __init__(
        self,
        probe: Callable[[str, Offer], None],
        *,
        interval: float,
        timeout: float,
        clock: Clock,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._probe = probe
        self._interval = interval
        self._timeout = timeout
        self._clock = clock
        self._uniform = uniform
        self._pulses: dict[str, Pulse] = {}
        self._queue: list[tuple[float, str]] = []

    def watch(self, member: Member) -> None:
        """Follow a member's change of state: ask a new one at once, forget one that leaves."""
        if not member.probed:
            self._pulses.pop(member.id, None)
        elif member.id not in self._pulses:
            self._pulses[member.id] = Pulse(member.offer)
            self._plan(member.id, 0.0)

    def answered(self, member: Member, *, ok: bool) -> float:
        """A probe ended, and this is the member since; seconds until it is asked again."""
        pulse = self._pulses.get(member.id)
        if pulse is None:
            return self._interval
        pulse.offer = member.offer
        pulse.failures = 0 if ok else pulse.failures + 1
        pause = self._pause(member, pulse)
        self._plan(member.id, pause)
        return pause

    def beat(self) -> float:
        """Send the probes that are due; seconds until the next one is."""
        now = self._clock.monotonic()
        while self._queue and self._queue[0][0] <= now:
            due, member_id = heapq.heappop(self._queue)
            pulse = self._pulses.get(member_id)
            # An entry that was planned anew, or whose member left, is a leftover.
            if pulse is not None and pulse.due == due:
                self._plan(member_id, self._timeout + LOST_AFTER)
                self._probe(member_id, pulse.offer)
        return max(0.0, self._queue[0][0] - now) if self._queue else self._interval

    def _pause(self, member: Member, pulse: Pulse) -> float:
        coming_back = member.state is State.DOWN and member.good > 0
        if member.state is State.JOINING or coming_back:
            return min(self._interval, FIRST_RETRY * 2.0 ** min(pulse.failures, 16))
        return self._interval * self._uniform(1 - JITTER, 1 + JITTER)

    def _plan(self, member_id: str, pause: float) -> None:
        pulse = self._pulses[member_id]
        pulse.due = self._clock.monotonic() + pause
        heapq.heappush(self._queue, (pulse.due, member_id))
