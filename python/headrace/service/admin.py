"""An admin port's app: a service's own calls, and those that all have, behind the same wall."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headrace.service.access import Access, Guard
from headrace.service.exposition import exposition
from headrace.service.refused import refused


def admin_app(
    routes: Sequence[Route],
    access: Access,
    collectors: Sequence[Collector],
    unready: Callable[[], str],
    handlers: Mapping[Any, Any] | None = None,
) -> Starlette:
    """`routes` beside `/metrics` (what `collectors` read), `/healthz` and `/readyz`, for whom `access` lets in.

    `unready` says why the service shouldn't be asked now, "" when it may be. `handlers` are of exceptions, as
    Starlette takes them; `HTTPException` has its own.

    Example: `admin_app([Route("/status", status)], access, [collector], lambda: "")`.
    """

    async def metrics(request: Request) -> Response:
        """Prometheus' text."""
        text, content_type = exposition(request.headers.get("accept", ""), *collectors)
        return Response(text, headers={"Content-Type": content_type})

    async def healthz(_request: Request) -> Response:
        """The process is alive."""
        return JSONResponse({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        """The service may be asked."""
        if why := unready():
            raise HTTPException(503, why)
        return JSONResponse({"status": "ready"})

    own = {"/metrics": metrics, "/healthz": healthz, "/readyz": readyz}
    return Starlette(
        routes=[*routes, *(Route(path, call, methods=["GET"]) for path, call in own.items())],
        middleware=[Middleware(Guard, access=access)],
        exception_handlers={HTTPException: refused, **(handlers or {})},
    )
