"""Whole responses in the cache, in front of any ASGI app.

A response is kept where it says so itself (`Cache-Control: max-age=60`), and never with `Set-Cookie`, to a request with
`Authorization`, with `private`, `no-store`, `no-cache` or `Vary: *`. What has no known length (streams) passes by.

Under the key of an address is the response, or, where responses depend on fields of the request (`Vary`), the names of
these; the responses are then under keys of their own. Whoever asks the app holds the lease of the key, so that what was
invalidated while the app answered is not kept. Others ask the app too: whether a response may be shared is known only
when it is there.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from headrace.cache import page as pages
from headrace.cache.backend import Backend, Found, Lease
from headrace.cache.background import Renewals, tasks
from headrace.cache.cache import Cache
from headrace.cache.page import Headers, Message, Page
from headrace.cache.shared import shared_cache
from headrace.cache.template import bounded

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
LEASE: Final = 30.0  # seconds that the app may take for a response that is kept


class CacheMiddleware:
    """ASGI middleware: responses that may be shared come from the cache.

    Example: `app = CacheMiddleware(app)`, or in Starlette and FastAPI `app.add_middleware(CacheMiddleware)`.

    `cache` is a `Cache` or a URL; default `$HEADRACE_CACHE_URL`, else the memory of this process. `max_body`: bytes of
    the largest body that is kept. Keys are `page:https://host/path?query`, tags come from the response's field
    `Cache-Tags`. Hits have `Age`; pages without an `ETag` get one, and `If-None-Match` is answered with 304. An unsafe
    request that succeeds invalidates the page of its address.
    """

    def __init__(self, app: Application, *, cache: Cache | str | None = None, max_body: int = 1 << 20) -> None:
        self._app = app
        self._cache = cache
        self._max_body = max_body
        self._renewals = Renewals("a page")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] not in SAFE:
            await self._app(scope, receive, _Watched(send, self._backend, _key(scope)))
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
        key, leased = await self._look(_key(scope), headers)
        found = leased.stale if isinstance(leased, Lease) else leased
        page = Page.from_bytes(found.value) if found and not anew else None
        lease = leased if isinstance(leased, Lease) else None
        if found and page:
            if lease:
                tasks.give(self._renew({**scope, "method": "GET"}, lease, key))
            for message in page.answer(scope["method"], headers, found.age):
                await send(message)
        else:
            await self._ask(scope, receive, send, lease, key, anew=anew)

    async def _look(self, key: str, headers: Headers) -> tuple[str, Found | Lease | None]:
        """The key of the response to this request, and what is under it: a page, or the right to ask the app."""
        leased = await self._backend.alease(key, seconds=LEASE, wait=0)
        names = _names(leased)
        if names is None:
            return key, leased
        if isinstance(leased, Lease):
            await self._backend.agive_up(leased)
        key = pages.variant(key, names, headers)
        return key, await self._backend.alease(key, seconds=LEASE, wait=0)

    async def _ask(
        self, scope: Scope, receive: Receive, send: Send, lease: Lease | None, key: str, *, anew: bool = False
    ) -> None:
        """Has the app answer, and keeps what may be kept."""
        keeps = scope["method"] == "GET" and (lease is not None or anew)
        recorder = _Recorder(scope, send, self._max_body if keeps else -1)
        kept = False
        try:
            await self._app(scope, receive, recorder)
            if recorder.page is not None:
                kept = await self._keep(recorder.page, _headers(scope), lease, key, _key(scope))
        finally:
            if lease is not None and not kept:
                await self._backend.agive_up(lease)

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
        if names:
            await self._backend.aset(
                address, json.dumps(names).encode(), **times, lease=lease if key == address else None
            )
        await self._backend.aset(place, page.to_bytes(), **times)
        return key == address


class _Recorder:
    """Passes a response on, and keeps it in `page` where it is whole, not too large and may be shared."""

    def __init__(self, scope: Scope, send: Send, max_body: int) -> None:
        self.page: Page | None = None
        self._scope = scope
        self._send = send
        self._max_body = max_body
        self._start: Message | None = None
        self._held = False
        self._body = b""

    async def __call__(self, message: Message) -> None:
        """`send` of ASGI."""
        if message["type"] == "http.response.start" and self._may_keep(message):
            self._start, self._held = message, True
        elif self._start is None:
            await self._send(message)
        elif message["type"] != "http.response.body":
            await self._pass_on()
            await self._send(message)
        else:
            await self._record(message)

    def _may_keep(self, start: Message) -> bool:
        headers = [(name.lower(), value) for name, value in start.get("headers", ())]
        start["headers"] = headers
        length = pages.first(headers, b"content-length")
        fits = pages.seconds(length.decode("latin-1")) <= self._max_body if length else self._max_body >= 0
        return fits and not start.get("trailers") and pages.lifetime(start["status"], headers) is not None

    async def _record(self, message: Message) -> None:
        """A part of the body. A response that comes in one piece gets a validator before it goes out."""
        start: Message = self._start or {}
        self._body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(self._body) > self._max_body or (more and pages.first(start["headers"], b"content-length") is None):
            await self._pass_on()
            await self._send(message)
            return
        if not more:
            self.page = Page(start["status"], start["headers"], self._body).with_etag()
        if self._held and self.page:
            for part in self.page.answer("GET", _headers(self._scope)):
                await self._send(part)
            return
        await self._begin()
        await self._send(message)

    async def _pass_on(self) -> None:
        """From here on nothing is kept."""
        await self._begin()
        self._start = None

    async def _begin(self) -> None:
        if self._held:
            self._held = False
            await self._send(self._start)


class _Watched:
    """Passes a response to an unsafe request on, and invalidates the page where it succeeded (RFC 9111, 4.4)."""

    def __init__(self, send: Send, backend: Backend, key: str) -> None:
        self._send = send
        self._backend = backend
        self._key = key

    async def __call__(self, message: Message) -> None:
        """`send` of ASGI."""
        if message["type"] == "http.response.start" and 200 <= message["status"] < 400:
            await self._backend.ainvalidate(key=self._key)
            await self._backend.ainvalidate(prefix=self._key + "#")
        await self._send(message)


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


async def _nowhere(_: Message) -> None:
    """A renewal is for the cache alone."""
