"""The admin port's calls: how the service does, how many workers it has, and dead letters that go back."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headrace.errors import OperationError
from headrace.ingest.deadletters import DeadLetters
from headrace.ingest.landing import Landing
from headrace.ingest.pulse import Pulse
from headrace.ingest.workers import MOST_WORKERS
from headrace.service.access import Access, Guard
from headrace.service.exposition import exposition
from headrace.service.refused import refused
from headrace.sinks import Sink


@dataclass(frozen=True)
class Admin:
    """What the calls work on; `ready` tells whether the public port takes collections."""

    pulse: Pulse
    landing: Landing
    letters: DeadLetters
    sink: Sink
    collectors: Sequence[Collector]
    access: Access
    ready: Callable[[], bool]
    _replaying: asyncio.Lock = field(default_factory=asyncio.Lock)

    def app(self) -> Starlette:
        """The calls as one guarded ASGI app."""
        return Starlette(
            routes=[
                Route("/status", self.status, methods=["GET"]),
                Route("/workers", self.workers, methods=["PUT"]),
                Route("/replay", self.replay, methods=["POST"]),
                Route("/metrics", self.metrics, methods=["GET"]),
                Route("/healthz", self.healthz, methods=["GET"]),
                Route("/readyz", self.readyz, methods=["GET"]),
            ],
            middleware=[Middleware(Guard, access=self.access)],
            exception_handlers={HTTPException: refused},
        )

    async def status(self, _request: Request) -> Response:
        """Rates, the queue, what is wrong."""
        return JSONResponse(self.pulse.view() | {"dead_letters": len(self.letters)})

    async def workers(self, request: Request) -> Response:
        """As many workers as the body says: `{"workers": 8}`."""
        self.landing.resize(_count(await request.body()))
        return JSONResponse({"workers": self.landing.workers[0]})

    async def replay(self, _request: Request) -> Response:
        """Give all dead letters to the sink again."""
        async with self._replaying:
            try:
                return JSONResponse(asdict(await self.letters.replay(self.sink)))
            except OperationError as error:
                raise HTTPException(502, f"not all dead letters were given back: {error}") from error

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text."""
        text, content_type = exposition(request.headers.get("accept", ""), *self.collectors)
        return Response(text, headers={"Content-Type": content_type})

    async def healthz(self, _request: Request) -> Response:
        """The process is alive."""
        return JSONResponse({"status": "ok"})

    async def readyz(self, _request: Request) -> Response:
        """The public port takes collections, and the journal keeps them."""
        if not self.ready():
            raise HTTPException(503, "ingest is stopping")
        if self.pulse.health:
            raise HTTPException(503, f"the journal takes nothing, {self.pulse.health}")
        return JSONResponse({"status": "ready"})


def _count(body: bytes) -> int:
    try:
        count = json.loads(body)["workers"]
    except (ValueError, TypeError, KeyError):
        count = None
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_WORKERS:
        raise HTTPException(400, f'send {{"workers": N}} with N from 1 to {MOST_WORKERS}')
    return count
