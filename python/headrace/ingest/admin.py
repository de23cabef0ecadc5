"""The admin port's calls: how the service does, how many workers it has, and dead letters that go back."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headrace.errors import OperationError
from headrace.ingest.deadletters import DeadLetters
from headrace.ingest.landing import Landing
from headrace.ingest.pulse import Pulse
from headrace.ingest.workers import MOST_WORKERS
from headrace.service.access import Access
from headrace.service.admin import admin_app
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
        routes = [
            Route("/status", self.status, methods=["GET"]),
            Route("/workers", self.workers, methods=["PUT"]),
            Route("/replay", self.replay, methods=["POST"]),
        ]
        return admin_app(routes, self.access, self.collectors, self.unready)

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

    def unready(self) -> str:
        """Why no collections are taken."""
        if not self.ready():
            return "ingest is stopping"
        return f"the journal takes nothing, {self.pulse.health}" if self.pulse.health else ""


def _count(body: bytes) -> int:
    try:
        count = json.loads(body)["workers"]
    except (ValueError, TypeError, KeyError):
        count = None
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_WORKERS:
        raise HTTPException(400, f'send {{"workers": N}} with N from 1 to {MOST_WORKERS}')
    return count
