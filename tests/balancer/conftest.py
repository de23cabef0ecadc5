import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from headrace.balancer.events import Hub
from headrace.balancer.heartbeat import Heartbeat
from headrace.balancer.member import Offer
from headrace.balancer.membership import Membership
from headrace.balancer.registration import BadRegistrationError
from headrace.balancer.registry import Registry, Rules
from headrace.balancer.routing import Plan, Planner, parse_rule
from headrace.clock import Clock


class ManualTime:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.clock = Clock(monotonic=lambda: self.now, wall=lambda: 1_700_000_000.0 + self.now)

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@pytest.fixture
def registry(time: ManualTime) -> Registry:
    return Registry(Rules(), time.clock)


@dataclass(frozen=True)
class Latency:
    bounds: tuple[float, ...] = (0.001, float("inf"))
    counts: tuple[int, ...] = (2, 1)
    sum: float = 0.5

    def percentile(self, percent: float) -> float:
        return percent / 1000


@dataclass(frozen=True)
class Stats:
    """What the core would say about one server."""

    id: str
    in_flight: int = 0
    requests: int = 3
    failures: int = 1
    failures_in_a_row: int = 0
    last_failure: str = ""
    latency: Latency = Latency()


@dataclass(frozen=True)
class CoreEvent:
    kind: str
    server: str = ""
    ok: bool = True
    detail: str = ""
    seconds: float = 0.0


@dataclass
class MemoryTraffic:
    """The core's place in tests: remembers plans, and has in flight what a test says."""

    plans: list[Plan] = field(default_factory=list)
    in_flight: dict[str, int] = field(default_factory=dict)
    cuts: list[str] = field(default_factory=list)
    ending: dict[str, float] = field(default_factory=dict)

    def check(self, offer: Offer) -> None:
        if offer.address.startswith("refused"):
            raise BadRegistrationError("the core refuses it")

    def publish(self, plan: Plan) -> None:
        self.plans.append(plan)

    def stats(self) -> Sequence[Any]:
        listed = {member.id for service in self.plans[-1].services for member in service.members} if self.plans else ()
        return [Stats(server, self.in_flight.get(server, 0)) for server in {*listed, *self.in_flight}]

    def end_streams(self, server: str, over: float) -> None:
        self.ending[server] = over

    def cut(self, server: str) -> int:
        self.cuts.append(server)
        return self.in_flight.pop(server, 0)

    def picked(self, service: int = 0) -> list[str]:
        """The ids that requests go to now."""
        return [member.id for member in self.plans[-1].services[service].members]


@dataclass
class Rig:
    """A membership whose core, clock and probes are the test's."""

    membership: Membership
    traffic: MemoryTraffic
    hub: Hub
    time: ManualTime
    asked: list[str]
    news: list[tuple[str, dict[str, Any]]]

    def probe(self, member_id: str, *, ok: bool, detail: str = "") -> None:
        self.membership.happened([CoreEvent("probe", member_id, ok, detail)])

    def up(self, address: str, **offer: Any) -> str:
        """Register a server and let its first probe pass; its id."""
        member = self.membership.register(Offer(address, **offer))
        self.probe(member.id, ok=True)
        return member.id


@pytest.fixture
def make_rig(tmp_path, time):
    def make(*routes: str, rules: Rules | None = None, hold: float = 30.0) -> Rig:
        asked: list[str] = []
        news: list[tuple[str, dict[str, Any]]] = []
        hub = Hub()

        def tell(kind: str, data: dict[str, Any]) -> None:
            news.append((kind, data))
            hub.tell(kind, data)

        traffic = MemoryTraffic()
        membership = Membership(
            Registry(rules or Rules(), time.clock),
            Planner([parse_rule(route) for route in routes], hold, time.clock),
            Heartbeat(lambda server, _offer: asked.append(server), interval=2.0, timeout=5.0, clock=time.clock),
            traffic,
            tell=tell,
            file=tmp_path / "membership.json",
            clock=time.clock,
        )
        return Rig(membership, traffic, hub, time, asked, news)

    return make


@pytest.fixture
def rig(make_rig) -> Rig:
    return make_rig()


def unasked(*_: object) -> bytes:
    """Signs for nobody."""
    raise AssertionError("nobody asks for a certificate here")


async def eventually(holds, within: float = 30.0) -> None:
    """Wait until `holds()`; fail when it doesn't within so many seconds."""
    deadline = asyncio.get_running_loop().time() + within
    while not holds():
        assert asyncio.get_running_loop().time() < deadline, "it did not come to hold in time"
        await asyncio.sleep(0.01)
