"""The collector's admin port: its calls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headrace.logs.watch import Watch
from headrace.service.access import Access
from headrace.service.admin import admin_app


@dataclass(frozen=True)
class Admin:
    """What the calls work on; `ready` tells whether the public port takes entries."""

    watch: Watch
    collectors: Sequence[Collector]
    access: Access
    ready: Callable[[], bool]

    def app(self) -> Starlette:
        """The calls as one guarded ASGI app."""
        routes = [
            Route("/status", self.status, methods=["GET"]),
        ]
        return admin_app(routes, self.access, self.collectors, self.unready)

    async def status(self, _request: Request) -> Response:
        """What was taken and written, what waits, what is wrong."""
        return JSONResponse(self.watch.view())

    def unready(self) -> str:
        """Why no entries are taken, or not written."""
        return next(iter(self.watch.wrong()), "") if self.ready() else "the collector is stopping"
