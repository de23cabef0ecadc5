"""Who may ask what at the admin port.

Three walls: the `Host` asked for must be ours (a page whose name was rebound to our address is not), a browser must
not come from another origin, and whoever changes something or learns about members shows the token or a client
certificate of the authority.
"""

import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS = ("/healthz", "/readyz")


@dataclass(frozen=True)
class Refusal:
    """Why a request isn't let in, and what to do."""

    status: int
    code: str
    message: str


@dataclass(frozen=True)
class Access:
    """The rules. `names` are this machine's host names; `open` asks no token of callers on loopback."""

    token: str
    names: Sequence[str]
    open: bool = False

    def refusal(self, request: HTTPConnection) -> Refusal | None:
        """Why the request isn't let in; None when it is."""
        if not self._is_our_name(request.headers.get("host", "")):
            return Refusal(403, "forbidden_host", "Host is not a name of this service; use its address or localhost")
        if _is_cross_origin(request):
            return Refusal(403, "cross_origin", "a browser's call from another origin is refused")
        if request.scope["path"] in OPEN_PATHS or self.is_trusted(request) or self._is_open_to(request):
            return None
        if "authorization" in request.headers:
            return Refusal(401, "wrong_token", "the token is not this service's; `headrace token` prints it")
        return Refusal(401, "token_missing", "send `Authorization: Bearer TOKEN`; `headrace token` prints it")

    def is_trusted(self, request: HTTPConnection) -> bool:
        """Whether the caller showed the token, or a certificate that the TLS handshake has verified."""
        if "tls" in request.scope.get("extensions", {}):
            return True
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self.token.encode())

    def _is_open_to(self, request: HTTPConnection) -> bool:
        return self.open and request.client is not None and _is_loopback(request.client.host)

    def _is_our_name(self, host: str) -> bool:
        """Rebinding needs a name, so an address is always ours."""
        name = _split_host(host)
        return name is not None and (_is_address(name) or name in {"localhost", *map(str.lower, self.names)})


def is_local(address: str) -> bool:
    """Whether only this machine reaches a host:port, so that a service may be open there."""
    host = address.rpartition(":")[0].strip("[]")
    return host == "localhost" or _is_loopback(host)


class Guard:
    """The wall around an app."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        refusal = self.access.refusal(HTTPConnection(scope)) if scope["type"] == "http" else None
        if refusal is None:
            await self.app(scope, receive, send)
            return
        headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else None
        body = {"error": refusal.code, "message": refusal.message}
        await JSONResponse(body, refusal.status, headers)(scope, receive, send)


def _is_cross_origin(request: HTTPConnection) -> bool:
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()


def _split_host(host: str) -> str | None:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host).is_loopback
