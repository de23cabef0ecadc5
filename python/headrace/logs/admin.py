"""The collector's admin port: its calls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headrace.logs.watch import Watch
from headrace.service.access import Access, Guard
from headrace.service.exposition import exposition
from headrace.service.refused import refused


@dataclass(frozen=True)
class Admin:
    """What the calls work on; `ready` tells whether the public port takes entries."""

    watch: Watch
    collectors: Sequence[Collector]
    access: Access
    ready: Callable[[], bool]

    def app(self) -> Starlette:
        """The calls as one guarded ASGI app."""
        return Starlette(
            routes=[
                Route("/status", self.status, methods=["GET"]),
                Route("/metrics", self.metrics, methods=["GET"]),
                Route("/healthz", self.healthz, methods=["GET"]),
                Route("/readyz", self.readyz, methods=["GET"]),
            ],
            middleware=[Middleware(Guard, access=self.access)],
            exception_handlers={HTTPException: refused},
        )

    async def status(self, _request: Request) -> Response:
        """What was taken and written, what waits, what is wrong."""
        return JSONResponse(self.watch.view())

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text."""
        text, content_type = exposition(request.headers.get("accept", ""), *self.collectors)
        return Response(text, headers={"Content-Type": content_type})

    async def healthz(self, _request: Request) -> Response:
        """The process is alive."""
        return JSONResponse({"status": "ok"})

    async def readyz(self, _request: Request) -> Response:
        """The public port takes entries, the journal keeps them, and the file can be written."""
        if not self.ready():
            raise HTTPException(503, "the collector is stopping")
        for wrong in self.watch.wrong():
            raise HTTPException(503, wrong)
        return JSONResponse({"status": "ready"})
