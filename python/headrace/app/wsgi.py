"""Runs WSGI apps (PEP 3333) behind ASGI, each request in a thread of a pool.

A request costs two crossings between event loop and thread, not one for each message: the body that has already
arrived goes with the call, and a response that is complete comes back as its result. Only bodies that are still on
their way, in either direction, cross piece by piece, each waiting for the one before, so that memory stays flat.

What PEP 3333 asks for and bridges tend to leave out: headers are sent with the first piece of the body and may be
replaced until then (`exc_info`); a block isn't held back while the app makes the next; `close` is always called; the
app is stopped when the client has gone; reads wait for as much as was asked.
"""

import asyncio
import contextvars
import functools
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final

from headrace.app.asgi import Message, Receive, Scope, Send
from headrace.app.environ import Body, ClientGoneError, Environ, environment
from headrace.app.threads import Threads

if TYPE_CHECKING:
    from concurrent.futures import Future

THREADS: Final = 32
WSGIApp = Callable[..., Iterable[bytes]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType]


class Bridge:
    """A WSGI app as an ASGI app.

    Example: `asgi = Bridge(flask_app, threads=32)`; `threads` is how many requests are answered at once.
    """

    def __init__(self, app: WSGIApp, *, threads: int = THREADS) -> None:
        self._app = app
        self._threads = Threads(threads, "wsgi")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request; a WSGI app knows no other conversation."""
        if scope["type"] != "http":
            return
        call = Call(self._app, scope, receive, send)
        try:
            await call.run(self._threads)
        except ClientGoneError:
            return


class Call:
    """One request to a WSGI app. `run` lives in the event loop, what it calls by `_answer` in the thread."""

    def __init__(self, app: WSGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        self._app = app
        self._scope = scope
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._body = Body(receive, self._loop)
        self._start: Message | None = None
        self._started = False  # the start has been handed over, nothing can be replaced any more
        self._left: int | None = None  # bytes that the response's length still promises
        self._sending: Future[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._gone = False

    async def run(self, threads: Threads) -> None:
        """Calls the app in a thread and sends what it gives back."""
        # Asking for the body says "100 Continue" to a client that waits for it, which is the app's to decide.
        if self._scope["method"] == "GET" or not any(name == b"expect" for name, _ in self._scope["headers"]):
            await self._body.prefetch()
        environ = environment(self._scope, self._body.stream())
        answer = functools.partial(contextvars.copy_context().run, self._answer, environ)
        try:
            rest = await threads.call(answer)
        finally:
            if self._watcher is not None:
                self._watcher.cancel()
        for message in rest:
            await self._send(message)

    # In the thread

    def _answer(self, environ: Environ) -> list[Message]:
        """Calls the app; what is left to be sent when it is done."""
        blocks = self._app(environ, self.start_response)
        try:
            if isinstance(blocks, list | tuple):
                return self._last(b"".join(blocks))
            for block in blocks:
                if not block:
                    continue
                if self._left == len(block):
                    # Its length says that this is the last block: it needn't wait for the app to say so too.
                    return self._last(block)
                self.write(block)
            return self._last(b"")
        finally:
            if hasattr(blocks, "close"):
                blocks.close()

    def start_response(
        self, status: str, headers: Sequence[tuple[str, str]], exc_info: ExcInfo | None = None, /
    ) -> Callable[[bytes], None]:
        """PEP 3333's: takes status and headers, and gives the old-fashioned `write`."""
        if exc_info is not None and self._started:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._start is not None and exc_info is None:
            raise AssertionError("start_response was called twice without exc_info")
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self._start = {"type": "http.response.start", "status": int(status[:3]), "headers": fields}
        length = next((value for name, value in fields if name.lower() == b"content-length"), None)
        self._left = None if length is None else int(length)
        return self.write

    def write(self, block: bytes) -> None:
        """Hands a block over to the event loop, and waits until the one before has left."""
        messages = self._messages(block, more=True)
        if self._sending is not None:
            self._sending.result()
        if self._gone:
            raise ClientGoneError
        self._sending = asyncio.run_coroutine_threadsafe(self._send_all(messages), self._loop)

    def _last(self, block: bytes) -> list[Message]:
        if self._sending is not None:
            self._sending.result()
        return self._messages(block, more=False)

    def _messages(self, block: bytes, *, more: bool) -> list[Message]:
        if self._start is None:
            raise AssertionError("the app gave a body before it called start_response")
        if self._left is not None:
            self._left -= len(block)
        body = {"type": "http.response.body", "body": block, "more_body": more}
        messages = [body] if self._started else [self._start, body]
        self._started = True
        return messages  # type: ignore[return-value]

    # In the event loop

    async def _send_all(self, messages: list[Message]) -> None:
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())
        for message in messages:
            await self._send(message)

    async def _watch(self) -> None:
        """Notices that the client goes while the app streams; an app that still reads notices by itself."""
        if self._body.ended:
            await self._body.gone()
            self._gone = True
