"""What the middleware does with a response on its way: a copy is made, or what it makes of no use is invalidated."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from headrace.cache import page as pages
from headrace.cache.backend import Backend
from headrace.cache.page import Message, Page

Scope = MutableMapping[str, Any]
Send = Callable[[Any], Awaitable[None]]


class Recorder:
    """Passes a response on, and keeps it in `page` where it is whole, not too large and may be shared.

    Example: `recorder = Recorder(scope, send, 1 << 20, unkept); await app(scope, receive, recorder); recorder.page`.

    `unkept` is called with the status as soon as it is known that the response will not be kept.
    """

    def __init__(self, scope: Scope, send: Send, max_body: int, unkept: Callable[[int], Awaitable[None]]) -> None:
        self.page: Page | None = None
        self._scope = scope
        self._send = send
        self._max_body = max_body
        self._unkept = unkept
        self._start: Message | None = None
        self._held = False
        self._body = b""

    async def __call__(self, message: Message) -> None:
        """`send` of ASGI."""
        if message["type"] == "http.response.start":
            await self._judge(message)
        elif self._start is None:
            await self._send(message)
        elif message["type"] != "http.response.body":
            await self._pass_on()
            await self._send(message)
        else:
            await self._record(message)

    async def _judge(self, start: Message) -> None:
        if self._may_keep(start):
            self._start, self._held = start, True
            return
        await self._unkept(start["status"])
        await self._send(start)

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
            for part in self.page.answer("GET", list(self._scope.get("headers", ()))):
                await self._send(part)
            return
        await self._begin()
        await self._send(message)

    async def _pass_on(self) -> None:
        """From here on nothing is kept."""
        await self._unkept(self._start["status"] if self._start else 0)
        await self._begin()
        self._start = None

    async def _begin(self) -> None:
        if self._held:
            self._held = False
            await self._send(self._start)


class Watched:
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
