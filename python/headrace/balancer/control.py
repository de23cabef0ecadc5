"""The balancer as a service: everything it is made of, put together in one place."""

import asyncio
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import uvloop

from headrace import _core
from headrace.balancer.admin import Admin
from headrace.balancer.events import Hub
from headrace.balancer.heartbeat import Heartbeat
from headrace.balancer.member import Offer
from headrace.balancer.membership import Membership
from headrace.balancer.metrics import BalancerCollector
from headrace.balancer.purging import Purging
from headrace.balancer.registration import BadRegistrationError, read_static
from headrace.balancer.registry import Registry, Rules
from headrace.balancer.routing import Planner, parse_rule
from headrace.balancer.signing import Sign, Signing
from headrace.balancer.traffic import CoreTraffic
from headrace.clock import Clock
from headrace.errors import UsageError
from headrace.service.access import Access
from headrace.service.adminport import AdminPort
from headrace.service.certificates import Shown
from headrace.service.core import client_limits
from headrace.service.front import Announce, Front
from headrace.service.lifecycle import Stop, allow_open_files
from headrace.settings import BalancerSettings, ForwardingOptions, Section

SAFE: Final = "the app servers stay as they are, and are known after the next start"


def run(
    settings: BalancerSettings,
    credentials: Shown,
    sign: Sign,
    *,
    token: str,
    members: Path,
    announce: Announce,
    log: "_core.LogShipper | None" = None,
) -> None:
    """Run a balancer until SIGTERM or SIGINT, and then until its requests are done; a second signal ends it at once.

    `sign` makes certificates for app servers elsewhere; `members` is the file that remembers members; `announce`
    hears the public and the admin address once both serve; failed requests are logged to `log`, and with the setting
    `access_log` each one.
    Raises `UsageError`, `OperationError` or `CoreError` when it can't start.
    """

    async def main() -> None:
        allow_open_files()
        service = assemble(settings, credentials, sign, token, members, log)
        await service.run(announce)

    uvloop.run(main())


def assemble(
    settings: BalancerSettings,
    credentials: Shown,
    sign: Sign,
    token: str,
    members: Path,
    log: "_core.LogShipper | None" = None,
) -> "Service":
    """Make all parts, in the order in which they build on one another; the public address is bound last."""
    clock, hub = Clock(), Hub()
    static = [_static(text) for text in settings.servers]
    features = {"cached": settings.cache, "compressed": settings.compress}
    rules = [parse_rule(text, **features) for text in settings.routes]
    planner = Planner(rules, settings.hold, clock, **features)
    tls = credentials.tls()

    balancer = _core.Balancer(_core.BalancerOptions(**_values(ForwardingOptions, settings)))
    if log is not None:
        balancer.log_to(log, access=settings.access_log)
    engine = _core.Engine(threads=settings.threads, limits=client_limits(settings))
    traffic = CoreTraffic(engine, balancer, settings, credentials.ca)
    stop = Stop(at_once=lambda: engine.stop(0.0))

    registry = Registry(_rules(settings), clock)
    heartbeat = Heartbeat(traffic.probe, interval=settings.probe_interval, timeout=settings.probe_timeout, clock=clock)
    membership = Membership(registry, planner, heartbeat, traffic, tell=hub.tell, file=members, clock=clock)
    membership.restore(static)

    admin = Admin(
        membership,
        hub,
        BalancerCollector(engine.counters, balancer.stats, registry.members, balancer.cache_stats),
        Access(token, credentials.names, open=settings.open),
        Signing(credentials.names, sign),
        Purging(balancer.purge),
        ready=lambda: not stop.asked.is_set(),
    )
    port = AdminPort(admin.app(), settings.admin, credentials.admin, credentials.ca)
    front = Front.opened(engine, balancer, settings.address, tls, port, credentials, stop)
    return Service(front, membership, hub, settings.drain)


@dataclass(frozen=True)
class Service:
    """The parts that run, and how they begin and end."""

    front: Front
    membership: Membership
    hub: Hub
    drain: float

    async def run(self, announce: Announce) -> None:
        """Serve until asked to stop or until a part fails; then let requests finish for `drain` seconds."""
        parts = [
            asyncio.create_task(self.membership.run(), name="the membership"),
            asyncio.create_task(self.membership.keep_saved(), name="the file of members"),
        ]

        async def finish(_left: float) -> None:
            self.membership.stop()
            self.hub.close()
            await asyncio.wait(parts)

        await self.front.serve(announce, parts, finish, drain=self.drain, hint=SAFE, take=self.membership.happened)


def _static(text: str) -> Offer:
    try:
        return read_static(text)
    except BadRegistrationError as error:
        raise UsageError(f"balancer setting servers: {error}") from None


def _rules(settings: BalancerSettings) -> Rules:
    return Rules(**{key.name: getattr(settings, key.name) for key in fields(Rules)})


def _values(section: type[Section], settings: BalancerSettings) -> dict[str, Any]:
    """The settings that the core knows by the same names."""
    return {name: getattr(settings, name) for name in list(section.keys())}
