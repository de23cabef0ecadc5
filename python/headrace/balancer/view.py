"""Members and services as the admin port shows them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from headrace.balancer.member import Member, State

if TYPE_CHECKING:
    from headrace._core import ServerStats
    from headrace.balancer.routing import Planner


def member_record(member: Member, now: float) -> dict[str, Any]:
    """One server: what it offers, its state and why. Times are seconds; `now` is monotonic."""
    offer = member.offer
    return {
        "id": member.id,
        "address": offer.address,
        "scheme": offer.scheme,
        "services": list(offer.services),
        "weight": offer.weight,
        "capacity": offer.capacity,
        "version": offer.version,
        "state": member.state.value,
        "reason": member.reason,
        "since": datetime.fromtimestamp(member.since, timezone.utc).isoformat(timespec="milliseconds"),
        "held": member.held,
        "lease_age": None if member.expires is None else round(now - member.renewed, 3),
    }


def member_view(member: Member, stats: "ServerStats | None", now: float) -> dict[str, Any]:
    """The record, and what was counted."""
    return member_record(member, now) | _counted(stats)


def service_views(planner: "Planner", members: Sequence[Member]) -> list[dict[str, Any]]:
    """Every service that a route or a server names, with the servers that handle it and the routes that lead to it."""
    present = [member for member in members if member.state is not State.GONE]
    named = [service for member in present for service in member.offer.services]
    return [
        {
            "name": name,
            "routes": [f"{rule.host}{rule.path}" for rule in planner.rules if rule.service == name],
            "servers": [
                {"id": member.id, "address": member.address, "state": member.state.value}
                for member in present
                if planner.handles(member, name)
            ],
        }
        for name in dict.fromkeys([*planner.services(), *named])
    ]


def by_id(stats: Sequence["ServerStats"]) -> Mapping[str, "ServerStats"]:
    """The core's counts by member."""
    return {counted.id: counted for counted in stats}


def _counted(stats: "ServerStats | None") -> dict[str, Any]:
    if stats is None:
        nothing = {"in_flight": 0, "requests": 0, "failures": 0, "failures_in_a_row": 0, "last_failure": ""}
        return nothing | {"latency": {"p50": 0.0, "p90": 0.0, "p99": 0.0}}
    return {
        "in_flight": stats.in_flight,
        "requests": stats.requests,
        "failures": stats.failures,
        "failures_in_a_row": stats.failures_in_a_row,
        "last_failure": stats.last_failure,
        "latency": {f"p{percent}": round(stats.latency.percentile(percent), 6) for percent in (50, 90, 99)},
    }
