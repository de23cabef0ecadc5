"""The admin port's calls: app servers come and go, operators look and lend a hand.

Calls that change something answer to GET as well, so that anything that can fetch a URL can register; `access` keeps
browsers of other origins out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headrace.balancer.events import EventStream, Hub
from headrace.balancer.member import Member, State
from headrace.balancer.membership import Membership
from headrace.balancer.metrics import BalancerCollector
from headrace.balancer.purging import Purging
from headrace.balancer.registration import BadRegistrationError, read_address, read_offer
from headrace.balancer.signing import LARGEST_REQUEST, ForbiddenNameError, Signing
from headrace.balancer.view import service_views
from headrace.errors import UsageError
from headrace.service.access import Access
from headrace.service.admin import admin_app

LONGEST_WAIT = 3600.0  # seconds that an unregistering server may be kept waiting
BOTH = ["GET", "POST"]


@dataclass(frozen=True)
class Admin:
    """What the calls work on; `ready` tells whether the public port takes requests."""

    membership: Membership
    hub: Hub
    collector: BalancerCollector
    access: Access
    signing: Signing
    purging: Purging
    ready: Callable[[], bool]

    def app(self) -> Starlette:
        """The calls as one guarded ASGI app."""
        routes = [
            Route("/register", self.register, methods=BOTH),
            Route("/unregister", self.unregister, methods=BOTH),
            Route("/servers", self.servers, methods=["GET"]),
            Route("/servers/{id}", self.server, methods=["GET", "DELETE"]),
            Route("/servers/{id}/drain", self.drain, methods=["POST"]),
            Route("/servers/{id}/undrain", self.undrain, methods=["POST"]),
            Route("/certificates", self.certificates, methods=["POST"]),
            Route("/cache/purge", self.purge, methods=["POST"]),
            Route("/services", self.services, methods=["GET"]),
            Route("/events", self.events, methods=["GET"]),
        ]
        return admin_app(routes, self.access, [self.collector], self.unready, {BadRegistrationError: _bad_registration})

    async def register(self, request: Request) -> Response:
        """Add the caller, or renew its lease."""
        member = self.membership.register(read_offer(request.query_params, self._caller(request)))
        return JSONResponse(self.membership.record(member))

    async def unregister(self, request: Request) -> Response:
        """Drain the caller; with `wait`, answer when nothing is in flight any more; with `drain`, be done by then."""
        address = read_address(request.query_params, self._caller(request))
        wait, drain = (_seconds(request.query_params, name) for name in ("wait", "drain"))
        member = self.membership.registry.at(address)
        if member is None:
            raise HTTPException(404, f"no server is registered at {address}")
        member = self.membership.leave(member, "it unregistered", stays=drain)
        await self.membership.wait_gone(member, wait or 0.0)
        return JSONResponse(self.membership.view(member))

    async def servers(self, _request: Request) -> Response:
        """Everyone, and who left lately and why."""
        return JSONResponse(self.membership.views(self.membership.registry.members()))

    async def server(self, request: Request) -> Response:
        """One of them; DELETE forgets it."""
        member = self._member(request)
        if request.method == "DELETE":
            member = self.membership.remove(member)
        return JSONResponse(self.membership.view(member))

    async def drain(self, request: Request) -> Response:
        """Drain by the operator's hand: it stays out until undrain, whatever it says itself."""
        member = self.membership.leave(self._member(request), "the operator drains it", held=True)
        await self.membership.wait_gone(member, 0)
        return JSONResponse(self.membership.view(member))

    async def undrain(self, request: Request) -> Response:
        """Undo that."""
        member = self._member(request)
        if member.state is State.DRAINING and not member.held:
            raise HTTPException(409, f"server {member.id} leaves by itself; it comes back when it registers again")
        return JSONResponse(self.membership.view(self.membership.let_in(member)))

    async def certificates(self, request: Request) -> Response:
        """Sign a certificate for an app server on another machine; the body is its signing request."""
        if not self.access.is_trusted(request):
            raise HTTPException(403, "a certificate is signed only for who shows the token, also when the port is open")
        caller, named = self._caller(request), request.query_params.get("address", "")
        try:
            certificate = self.signing.answer(await _body(request, LARGEST_REQUEST), caller, named)
        except ForbiddenNameError as error:
            raise HTTPException(403, str(error)) from error
        except UsageError as error:
            raise HTTPException(400, str(error)) from error
        return Response(certificate, media_type="application/x-pem-file")

    async def purge(self, request: Request) -> Response:
        """Remove what is in the edge cache under a key, a tag or a prefix, or make it stale; how much that was."""
        try:
            purged = await self.purging.answer(request.query_params)
        except UsageError as error:
            raise HTTPException(400, str(error)) from error
        return JSONResponse({"purged": purged})

    async def services(self, _request: Request) -> Response:
        """Which services there are, and who handles each."""
        return JSONResponse(service_views(self.membership.planner, self.membership.registry.members()))

    async def events(self, _request: Request) -> Response:
        """Every change from now on, as server-sent events."""
        return EventStream(self.hub.listen(), headers={"Cache-Control": "no-store"})

    def unready(self) -> str:
        """Why no requests are taken, or none can be answered."""
        if not self.ready():
            return "the balancer is starting or stopping"
        up = any(member.state is State.UP for member in self.membership.registry.members())
        return "" if up else "no app server is up"

    def _caller(self, request: Request) -> str:
        if "address" in request.query_params and not self.access.is_trusted(request):
            raise HTTPException(403, "address= needs the token; `headrace token` prints it")
        return request.client.host if request.client else ""

    def _member(self, request: Request) -> Member:
        member = self.membership.registry.get(request.path_params["id"])
        if member is None:
            raise HTTPException(404, f"no server {request.path_params['id']}; GET /servers lists them")
        return member


async def _bad_registration(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "bad_request", "message": str(error)}, 400)


async def _body(request: Request, most: int) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise HTTPException(413, f"the body may have {most} bytes")
    return body


def _seconds(query: Mapping[str, str], name: str) -> float | None:
    text = query.get(name)
    if text is None:
        return None
    number = text.removesuffix("s")
    if not number.replace(".", "", 1).isdecimal() or float(number) > LONGEST_WAIT:
        raise BadRegistrationError(f"{name} must be seconds from 0 to {LONGEST_WAIT:.0f}, not {text!r}")
    return float(number)
