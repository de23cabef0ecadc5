"""The cache's admin port: its calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headrace.service.access import Access
from headrace.service.admin import admin_app

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
        routes = [
            Route("/status", self.status, methods=["GET"]),
        ]
        return admin_app(routes, self.access, [self.collector], self.unready)

    async def status(self, _request: Request) -> Response:
        """What is kept, how often it was found, what was asked."""
        return JSONResponse(view(self.stats(), self.counters()))

    def unready(self) -> str:
        """Why no requests are taken."""
        return "" if self.ready() else "the cache is stopping"


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
