"""The cache's admin port: its calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from headrace._core import Counters


@dataclass(frozen=True)
class Admin:
    """What the calls work on; `ready` tells whether the public port takes requests."""

    counters: "Callable[[], Counters]"
    stats: Callable[[], Mapping[str, int]]
    collector: Collector
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
        """What is kept, how often it was found, what was asked."""
        return JSONResponse(view(self.stats(), self.counters()))

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text."""
        text, content_type = exposition(request.headers.get("accept", ""), self.collector)
        return Response(text, headers={"Content-Type": content_type})

    async def healthz(self, _request: Request) -> Response:
        """The process is alive."""
        return JSONResponse({"status": "ok"})

    async def readyz(self, _request: Request) -> Response:
        """The public port takes requests."""
        if not self.ready():
            raise HTTPException(503, "the cache is stopping")
        return JSONResponse({"status": "ready"})


def view(stats: Mapping[str, int], counters: "Counters") -> dict[str, Any]:
    """All that `/status` shows."""
    asked = stats["hits"] + stats["stale_hits"] + stats["misses"]
    return {
        **stats,
        "hit_ratio": round(stats["hits"] / asked, 4) if asked else None,
        "requests": counters.requests_http1 + counters.requests_http2,
        "latency": {f"p{percent}": round(counters.latency.percentile(percent), 6) for percent in (50, 99)},
        "refused_requests": {code: count for code, count in counters.refused.items() if count},
    }
