"""From members and routes to what goes where.

`Plan` is plain data, comparable, so that only a real change is published.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headrace.balancer.member import Member, State
from headrace.clock import Clock
from headrace.errors import UsageError

DEFAULT_SERVICE = "default"
RULE = re.compile(
    r"(?P<host>[^/=\s]*)(?P<path>/[^=\s]*)?=(?P<service>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<options>(;(no-)?(cache|compress))*)"
)


@dataclass(frozen=True)
class Rule:
    """Requests for `host` (empty: any) at `path` or below go to `service`.

    `cached`: the edge cache may answer them; `compressed`: responses are, for clients that accept it.
    """

    host: str
    path: str
    service: str
    cached: bool = False
    compressed: bool = False


@dataclass(frozen=True)
class ServicePlan:
    """Who may answer for a service; `hold`: nobody can right now, but somebody is expected back."""

    name: str
    members: tuple[Member, ...]
    hold: bool


@dataclass(frozen=True)
class Plan:
    """What goes where, as of one moment."""

    rules: tuple[Rule, ...]
    services: tuple[ServicePlan, ...]

    def key(self) -> object:
        """What of the plan the core sees; plans with the same key need no new table."""
        return [(service.name, service.hold, [(m.id, m.offer) for m in service.members]) for service in self.services]


def parse_rule(text: str, *, cached: bool = False, compressed: bool = False) -> Rule:
    """Read `"example.org/shop=shop"`, `"/api=api;no-cache"` or `"/video=media;cache;no-compress"`. Raises `UsageError`.

    `cached` and `compressed` hold where the route itself does not say; what it says last counts.
    """
    match = RULE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"cannot read the route {text!r}", hint='write host/path=service, such as "/api=api"')
    said = {word.removeprefix("no-"): not word.startswith("no-") for word in match["options"].split(";")[1:]}
    return Rule(
        match["host"].lower(),
        match["path"] or "/",
        match["service"],
        cached=said.get("cache", cached),
        compressed=said.get("compress", compressed),
    )


class Planner:
    """Makes plans from members, and remembers when each service last had a server.

    `hold` is for how many seconds after that requests wait for it; `cached` and `compressed` are whether the route of
    everything else is.
    """

    def __init__(
        self, rules: Sequence[Rule], hold: float, clock: Clock, *, cached: bool = False, compressed: bool = False
    ) -> None:
        everything = Rule("", "/", DEFAULT_SERVICE, cached, compressed)
        covered = any(rule.host == "" and rule.path == "/" for rule in rules)
        self.rules = tuple(rules) if covered else (*rules, everything)
        self._divided = bool(rules)
        self._hold = hold
        self._clock = clock
        self._last_served: dict[str, float] = {}

    def services(self) -> list[str]:
        """The services that routes name, in their order."""
        return list(dict.fromkeys(rule.service for rule in self.rules))

    def handles(self, member: Member, service: str) -> bool:
        """Whether requests for `service` may go to the member; without routes there is nothing to divide."""
        return not self._divided or member.handles(service)

    def expect(self, members: Iterable[Member]) -> None:
        """Hold requests for what these handle, even if none of them is up yet."""
        now = self._clock.monotonic()
        for member in members:
            self._last_served.update({name: now for name in self.services() if self.handles(member, name)})

    def plan(self, members: Sequence[Member]) -> Plan:
        """What goes where with these members."""
        up = [member for member in members if member.state is State.UP]
        return Plan(self.rules, tuple(self._service(name, up) for name in self.services()))

    def _service(self, name: str, up: Sequence[Member]) -> ServicePlan:
        now = self._clock.monotonic()
        members = tuple(member for member in up if self.handles(member, name))
        if members:
            self._last_served[name] = now
        last = self._last_served.get(name)
        return ServicePlan(name, members, hold=not members and last is not None and now - last < self._hold)
