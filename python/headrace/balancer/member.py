"""What is known about one app server, and the states it goes through."""

import re
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class State(str, Enum):
    """Where a server stands. Ejection and slow start belong between `UP` and `DOWN`, as a state of their own."""

    JOINING = "joining"  # registered, no good probe yet
    UP = "up"
    DOWN = "down"  # probes fail; still registered
    DRAINING = "draining"  # takes no new request, finishes what it has
    GONE = "gone"


class Event(str, Enum):
    """What happens to a server."""

    PROBE_PASSED = "one good probe"
    PROBES_PASSED = "enough good probes in a row"
    PROBES_FAILED = "enough bad probes in a row"
    LEAVE = "it unregistered, or the operator drains it"
    LEASE_ENDED = "its lease was not renewed"
    EMPTY = "nothing is in flight with it any more"
    DEADLINE = "its time to drain is over"
    RETURN = "the operator lets it in again"
    REMOVE = "the operator forgets it"


@dataclass(frozen=True)
class Offer:
    """What a server says about itself when it registers.

    `services` it handles, all when empty; `capacity` is the most requests at once, 0 for no bound; a `static` server
    stands in the settings and has no lease.
    """

    address: str
    scheme: str = "http"
    services: tuple[str, ...] = ()
    weight: int = 1
    capacity: int = 0
    version: str = ""
    static: bool = False


@dataclass(frozen=True)
class Member:
    """A server as the balancer sees it. A server that comes back after it left is a new member with a new `id`.

    `since` is wall time, when the state began; `renewed`, `expires` (None: no lease) and `deadline` (of draining) are
    monotonic. `good` and `bad` count probes in a row. `held`: drained by the operator, so it stays listed while it
    renews its lease; were it gone, its next renewal would bring it straight back.
    """

    id: str
    offer: Offer
    state: State
    reason: str
    since: float
    renewed: float
    expires: float | None
    good: int = 0
    bad: int = 0
    deadline: float | None = None
    held: bool = False

    @property
    def address(self) -> str:
        """Where it listens: `"127.0.0.1:3000"` or `"unix:/path"`."""
        return self.offer.address

    @property
    def probed(self) -> bool:
        """Whether the balancer asks it how it is; a server that leaves is left in peace."""
        return self.state in (State.JOINING, State.UP, State.DOWN)

    def handles(self, service: str) -> bool:
        """Whether requests for `service` may go to it."""
        return not self.offer.services or service in self.offer.services


def offer_as_json(offer: Offer) -> dict[str, Any]:
    """The offer as plain data."""
    return asdict(offer) | {"services": list(offer.services)}


def offer_from_json(data: dict[str, Any]) -> Offer:
    """Read `offer_as_json` back; raises `KeyError`, `TypeError` or `ValueError` for anything else."""
    offer = Offer(**(data | {"services": tuple(data["services"])}))
    whole = isinstance(offer.weight, int) and isinstance(offer.capacity, int)
    if not (whole and isinstance(offer.address, str) and offer.scheme in ("http", "https")):
        raise ValueError(data)
    if not re.fullmatch(r"\S+:\S+", offer.address):
        raise ValueError(data)
    return offer
