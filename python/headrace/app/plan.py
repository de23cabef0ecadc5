"""What a worker is told to do: made by the command line, handed from parent to worker as JSON."""

import json
from dataclasses import asdict, dataclass

from headrace.app.interface import Interface


@dataclass(frozen=True)
class Membership:
    """Where and as what a worker registers; `state` is the state folder, where the token is looked for.

    `address` is the host under which the balancer reaches the worker, None for the one that the call comes from.
    """

    url: str
    ca: str
    state: str
    service: tuple[str, ...] = ()
    weight: int = 1
    capacity: int = 0
    version: str | None = None
    address: str | None = None


@dataclass(frozen=True)
class Certificate:
    """The PEM files that a worker shows, and the authority by which it checks its own socket."""

    certificate: str
    key: str
    ca: str


@dataclass(frozen=True)
class CentralLog:
    """The collector that a worker logs to; its token, and without `ca` its authority, are looked for in `state`."""

    url: str
    state: str
    ca: str | None = None


@dataclass(frozen=True)
class Plan:
    """The same for all workers of one `headrace serve`. Durations are seconds; without `certificate` it is plain."""

    app: str
    interface: Interface = "auto"
    factory: bool = False
    ping_path: str = "/ping"
    keep_alive: float = 75.0
    drain: float = 30.0
    certificate: Certificate | None = None
    membership: Membership | None = None
    log_level: str = "info"
    logs: CentralLog | None = None

    def as_json(self) -> str:
        """One line, for `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """What `as_json` wrote."""
        fields = json.loads(text)
        if fields["certificate"]:
            fields["certificate"] = Certificate(**fields["certificate"])
        if fields["membership"]:
            fields["membership"]["service"] = tuple(fields["membership"]["service"])
            fields["membership"] = Membership(**fields["membership"])
        if fields["logs"]:
            fields["logs"] = CentralLog(**fields["logs"])
        return cls(**fields)
