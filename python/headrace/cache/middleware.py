"""Whole responses in the cache, in front of any ASGI app.

A response is kept where it says so itself (`Cache-Control: max-age=60`), and never with `Set-Cookie`, to a request with
`Authorization`, with `private`, `no-store`, `no-cache` or `Vary: *`. What has no known length (streams) passes by.

Under the key of an address is the response, or, where responses depend on fields of the request (`Vary`), the names of
these; the responses are then under keys of their own. Whoever asks the app holds the lease of the key, so that what was
invalidated while the app answered is not kept. Others wait for the response, once and not for long; of one process, one
of them waits at the cache for all. Whether a response may be shared is known when its head is there: if it may not, the
lease ends at once, and for a while nobody waits for a response from that address.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from headrace.cache import page as pages
from headrace.cache.backend import Backend, Found, Lease
from headrace.cache.background import Renewals, tasks
from headrace.cache.cache import Cache
from headrace.cache.flight import Flight, Flights, Landed
from headrace.cache.page import Headers, Message, Page
from headrace.cache.passing import Passing
from headrace.cache.recording import Recorder, Scope, Send, Watched
from headrace.cache.shared import shared_cache
from headrace.cache.template import bounded

Receive = Callable[[], Awaitable[Any]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
LEASE: Final = 30.0  # seconds that the app may take for a response that is kept


class CacheMiddleware:
    """ASGI middleware: responses that may be shared come from the cache.

    Example: `app = CacheMiddleware(app)`, or in Starlette and FastAPI `app.add_middleware(CacheMiddleware)`.

    `cache` is a `Cache` or a URL; default `$HEADRACE_CACHE_URL`, else the memory of this process. `max_body`: bytes of
    the largest body that is kept. `wait`: seconds that a request waits for another one's response. Keys are
    `page:https://host/path?query`, tags come from the response's field `Cache-Tags`. Hits have `Age`; pages without an
    `ETag` get one, and `If-None-Match` is answered with 304. An unsafe request that succeeds invalidates the page of
    its address.
    """

    def __init__(
        self, app: Application, *, cache: Cache | str | None = None, max_body: int = 1 << 20, wait: float = 5.0
    ) -> None:
        self._app = app
        self._cache = cache
        self._max_body = max_body
        self._wait = wait
        self._renewals = Renewals("a page")
        self._flights: Flights[Found | None] = Flights()
        self._passing = Passing()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] not in SAFE:
            await self._app(scope, receive, Watched(send, self._backend, _key(scope)))
        elif not pages.asks(scope["method"], _headers(scope)):
            await self._app(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    @property
    def _backend(self) -> Backend:
        if not isinstance(self._cache, Cache):
            self._cache = shared_cache(self._cache)
        return self._cache.backend

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        anew = pages.asks_anew(headers)
        key, leased = await self._look(_key(scope), headers, waits=not anew)
        found = leased.stale if isinstance(leased, Lease) else leased
        page = Page.from_bytes(found.value) if found and not anew else None
        lease = leased if isinstance(leased, Lease) else None
        if lease and not page and scope["method"] != "GET":  # its response will be no page for the others
            await self._backend.agive_up(lease)
            lease = None
        if found and page:
            if lease:
                tasks.give(self._renew({**scope, "method": "GET"}, lease, key))
            for message in page.answer(scope["method"], headers, found.age):
                await send(message)
        else:
            await self._ask(scope, receive, send, lease, key, anew=anew)

    async def _look(self, key: str, headers: Headers, *, waits: bool) -> tuple[str, Found | Lease | None]:
        """The key of the response to this request, and what is under it: a page, or the right to ask the app."""
        leased = await self._leased(key, waits=waits)
        names = _names(leased)
        if names is None:
            return key, leased
        if isinstance(leased, Lease):
            await self._backend.agive_up(leased)
        key = pages.variant(key, names, headers)
        return key, await self._leased(key, waits=waits)

    async def _leased(self, key: str, *, waits: bool) -> Found | Lease | None:
        leased = await self._backend.alease(key, seconds=LEASE, wait=0)
        if leased is not None or not waits or key in self._passing:
            return leased
        deadline = time.monotonic() + self._wait
        while (left := deadline - time.monotonic()) > 0:
            flight, first = self._flights.join(key)
            if first:
                return await self._wait_for_all(flight, left)
            outcome = await flight.wait_async(left)
            if isinstance(outcome, Landed):
                return outcome.answer
        return None

    async def _wait_for_all(self, flight: Flight[Found | None], seconds: float) -> Found | Lease | None:
        with self._flights.leading(flight):
            leased = await self._backend.alease(flight.key, seconds=LEASE, wait=seconds)
            self._flights.end(flight, Landed(leased if isinstance(leased, Found) else None))
            return leased

    async def _ask(
        self, scope: Scope, receive: Receive, send: Send, lease: Lease | None, key: str, *, anew: bool = False
    ) -> None:
        """Has the app answer, and keeps what may be kept."""
        held = lease

        async def unkept(status: int) -> None:
            nonlocal held
            if status < 500:
                self._passing.add(key)
            if held is not None:
                given_up, held = held, None
                await self._backend.agive_up(given_up)

        keeps = scope["method"] == "GET" and (lease is not None or anew)
        recorder = Recorder(scope, send, self._max_body if keeps else -1, unkept if keeps else _nothing)
        try:
            await self._app(scope, receive, recorder)
            if recorder.page is not None and await self._keep(recorder.page, _headers(scope), held, key, _key(scope)):
                held = None
        finally:
            if held is not None:
                await self._backend.agive_up(held)

    async def _renew(self, scope: Scope, lease: Lease, key: str) -> None:
        """Has the app answer for the cache alone."""
        try:
            await self._ask(scope, _Nobody(), _nowhere, lease, key)
            self._renewals.succeeded()
        except Exception as error:  # noqa: BLE001 - told
            self._renewals.failed(error)

    async def _keep(self, page: Page, request: Headers, lease: Lease | None, key: str, address: str) -> bool:
        """Keeps a page; whether the lease was used for it."""
        life, names = pages.lifetime(page.status, page.headers), pages.vary(page.headers)
        if life is None:
            return False
        times: Any = {"ttl": life.fresh, "stale": life.stale, "tags": pages.tags(page.headers)}
        place = pages.variant(address, names, request) if names else address
        if place == key:
            return await self._backend.aset(key, page.to_bytes(), **times, lease=lease)
        described = json.dumps(names).encode()
        if key != address:  # it depends on other fields than were known: from the next request on it has its place
            await self._backend.aset(address, described, **times)
            return False
        # The page is there before what leads to it, and goes again where the lease is lost.
        await self._backend.aset(place, page.to_bytes(), **times)
        told = await self._backend.aset(address, described, **times, lease=lease)
        if not told:
            await self._backend.adelete(place)
        return told


def _key(scope: Scope) -> str:
    host = pages.first(_headers(scope), b"host") or b""
    path = scope.get("raw_path") or scope["path"].encode()
    query = b"?" + scope["query_string"] if scope.get("query_string") else b""
    return bounded(f"page:{scope.get('scheme', 'http')}://{(host + path + query).decode('latin-1')}")


def _headers(scope: Scope) -> Headers:
    return list(scope.get("headers", ()))


def _names(leased: Found | Lease | None) -> list[str] | None:
    """The fields that the responses of an address depend on, if that is what is kept there."""
    found = leased.stale if isinstance(leased, Lease) else leased
    if found is None or b"\n" in found.value:
        return None
    try:
        names = json.loads(found.value)
    except ValueError:
        return None
    return names if isinstance(names, list) else None


class _Nobody:
    """`receive` of a request that nobody sent: no body, and nobody who leaves."""

    def __init__(self) -> None:
        self._asked = False

    async def __call__(self) -> Message:
        """The empty body, then nothing for as long as the app listens."""
        if self._asked:
            await asyncio.get_running_loop().create_future()
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}


async def _nothing(_: int) -> None:
    """Nothing was to be kept."""


async def _nowhere(_: Message) -> None:
    """A renewal is for the cache alone."""
