"""Who the client behind the balancer is, from `X-Forwarded-For` and `X-Forwarded-Proto`."""

import functools
import ipaddress
from dataclasses import dataclass
from typing import Final

from headrace.app.asgi import Scope

LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})
SCHEMES: Final = {
    ("http", b"http"): "http",
    ("http", b"https"): "https",
    ("websocket", b"http"): "ws",
    ("websocket", b"https"): "wss",
    ("websocket", b"ws"): "ws",
    ("websocket", b"wss"): "wss",
}


@dataclass(frozen=True)
class Forwarded:
    """Believes the peers in `trusted` (addresses), and whoever speaks through a Unix socket.

    Example: `Forwarded(LOOPBACK | {"10.0.0.2"}).apply(scope)`.
    """

    trusted: frozenset[str] = LOOPBACK

    def apply(self, scope: Scope) -> None:
        """Sets `client` and `scheme` to what a trusted peer says of them."""
        peer = scope["client"]
        if peer is not None and peer[0] not in self.trusted:
            return
        client = scheme = None
        # The balancer writes these last, one of each: from the end they are found at once.
        for name, value in reversed(scope["headers"]):
            if name == b"x-forwarded-for" and client is None:
                client = value
            elif name == b"x-forwarded-proto" and scheme is None:
                scheme = value
            else:
                continue
            if client is not None and scheme is not None:
                break
        if scheme is not None:
            scope["scheme"] = SCHEMES.get((scope["type"], scheme), scope["scheme"])
        if client is not None and (address := _address(client)):
            scope["client"] = address


@functools.lru_cache(maxsize=1024)  # visitors ask more than once
def _address(hops: bytes) -> tuple[str, int] | None:
    host = client_of(hops.decode("latin-1"))
    return (host, 0) if host else None


def client_of(hops: str) -> str:
    """The client in a list of hops: the last one that isn't a private address, as those are proxies of one's own.

    Example: `client_of("forged, 203.0.113.9, 10.0.0.2") == "203.0.113.9"`; where all are private, the first.
    """
    if "," not in hops:
        return hops.strip()
    addresses = [hop.strip() for hop in hops.split(",")]
    return next((address for address in reversed(addresses) if not _is_private(address)), addresses[0])


def _is_private(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False
