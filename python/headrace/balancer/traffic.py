"""The core as the membership sees it: plans become routing tables, members are probed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast

from headrace import _core
from headrace.balancer.member import Offer
from headrace.balancer.registration import BadRegistrationError
from headrace.balancer.routing import Plan, Rule
from headrace.settings import BalancerSettings


class CoreTraffic:
    """The core's engine and balancer. `ca` is the authority by which members that speak https are verified."""

    def __init__(self, engine: _core.Engine, balancer: _core.Balancer, settings: BalancerSettings, ca: Path) -> None:
        self._engine = engine
        self._balancer = balancer
        self._settings = settings
        self._tls = _core.ClientTls(str(ca))

    def check(self, offer: Offer) -> None:
        """Raise `BadRegistrationError` for an address that the core refuses."""
        try:
            self._server("check", offer)
        except _core.CoreError as error:
            raise BadRegistrationError(str(error)) from error

    def publish(self, plan: Plan) -> None:
        """Make a table of the plan and swap it in."""
        policy = cast("Literal['round-robin', 'least-loaded']", self._settings.policy)
        services = [
            _core.Service(
                service.name,
                [self._server(member.id, member.offer) for member in service.members],
                policy=policy,
                hold=service.hold,
            )
            for service in plan.services
        ]
        routes = [_route(rule) for rule in plan.rules]
        self._balancer.publish(_core.RoutingTable(services, routes))

    def stats(self) -> Sequence[_core.ServerStats]:
        """What was counted, for each server."""
        return self._balancer.stats()

    def end_streams(self, server: str, over: float) -> None:
        """End the streams of a server that left, spread over so many seconds."""
        self._balancer.end_streams(server, over)

    def cut(self, server: str) -> int:
        """End what is in flight with a server that left; how many requests that were."""
        return self._balancer.cut(server)

    def probe(self, member_id: str, offer: Offer) -> None:
        """Ask a member how it is; the answer comes as an event."""
        self._engine.probe(
            member_id,
            offer.address,
            tls=self._tls if offer.scheme == "https" else None,
            path=self._settings.probe_path,
            timeout=self._settings.probe_timeout,
        )

    def _server(self, member_id: str, offer: Offer) -> _core.Server:
        tls = self._tls if offer.scheme == "https" else None
        return _core.Server(member_id, offer.address, tls=tls, weight=offer.weight, capacity=offer.capacity)


def _route(rule: Rule) -> _core.Route:
    return _core.Route(rule.service, host=rule.host, path=rule.path, cached=rule.cached, compressed=rule.compressed)
