"""One request and its response, as an app sees them.

`receive` gives the request's body piece by piece, `send` takes the response. At most `HIGH_WATER` bytes of a body wait
for the app, then the connection is read no more until it asks. An app that fails before its response became visible is
answered for (500); after that the connection ends, so that half a response never looks whole.
"""

import logging
from typing import TYPE_CHECKING, Final

from headrace.app.asgi import Application, Message, Scope, answer
from headrace.app.response import Response, ResponseError

if TYPE_CHECKING:
    import asyncio

    from headrace.app.http1 import Connection

HIGH_WATER: Final = 65536  # bytes; what asyncio's transports have for writing

logger = logging.getLogger(__name__)


class Exchange:
    """What a `Connection` starts for each request, as a task of its own."""

    __slots__ = (
        "_chunks",
        "_connection",
        "_delivered",
        "_disconnected",
        "_ended",
        "_expects_continue",
        "_keep_alive",
        "_method",
        "_path",
        "_version",
        "_waiter",
        "_waiting",
        "response",
        "scope",
        "task",
    )

    def __init__(self, connection: "Connection", scope: Scope, *, keep_alive: bool, expects_continue: bool) -> None:
        self.scope = scope
        # The scope is the app's to change, and routers do.
        self._method, self._path, self._version = scope["method"], scope["path"], scope["http_version"]
        self._keep_alive = keep_alive
        self.response = Response(self._method, self._version, keep_alive=keep_alive)
        self.task: asyncio.Task[None] | None = None
        self._connection = connection
        self._expects_continue = expects_continue
        self._chunks: list[bytes] = []
        self._waiting = 0  # bytes in them
        self._ended = False  # the request has arrived to its end
        self._delivered = False  # and the app knows
        self._disconnected = False
        self._waiter: asyncio.Future[None] | None = None

    async def run(self, app: Application) -> None:
        """Lets the app answer, and answers for it when it fails."""
        try:
            await app(self.scope, self.receive, self.send)
        except (Exception, SystemExit):
            logger.exception("the app failed on %s %s", self._method, self._path, extra=self._identity())
            await self._fail()
        else:
            if not self.response.complete and not self._disconnected:
                told = "the app left %s %s without a whole response"
                logger.error(told, self._method, self._path, extra=self._identity())
                await self._fail()
        finally:
            self._connection.finished(self)

    def _identity(self) -> dict[str, str]:
        """The id by which the balancer tells of the request, as a field of a log record."""
        found = next((value for name, value in self.scope["headers"] if name == b"x-request-id"), b"")
        return {"request_id": found.decode("latin-1")} if found else {}

    def feed(self, data: bytes) -> None:
        """Takes a piece of the request's body; what comes after the response is nobody's."""
        if self.response.complete:
            return
        self._chunks.append(data)
        self._waiting += len(data)
        if self._waiting > HIGH_WATER:
            self._connection.pause_reading()
        self._wake()

    def end(self) -> None:
        """The request has arrived to its end."""
        self._ended = True
        if self._waiter is not None:
            self._wake()

    def disconnect(self) -> None:
        """There is nobody to answer any more."""
        self._disconnected = True
        self._wake()

    async def receive(self) -> Message:
        """ASGI's: the next piece of the request, or `http.disconnect` once it is answered or nobody waits."""
        if self._expects_continue and not self.response.started:
            self._expects_continue = False
            self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not self._disconnected and not self.response.complete:
            if self._chunks or (self._ended and not self._delivered):
                return self._next_piece()
            self._connection.resume_reading()
            self._waiter = self._connection.loop.create_future()
            await self._waiter
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """ASGI's: takes the response's start, then its body; waits while the other side doesn't read."""
        connection = self._connection
        if connection.write_paused:
            await connection.drained()
        if self._disconnected:
            return
        response, kind = self.response, message["type"]
        if kind == "http.response.body":
            pieces = response.piece(message.get("body", b""), more=message.get("more_body", False))
            write = connection.write
            for piece in pieces:
                write(piece)
            if response.complete:
                if self._waiter is not None:
                    self._wake()
                connection.answered(self)
        elif kind == "http.response.start":
            response.start(message["status"], message.get("headers", ()), connection.date)
        else:
            raise ResponseError(f"{kind!r} is not a message of an HTTP response")

    def _next_piece(self) -> Message:
        body = b"".join(self._chunks)
        self._chunks.clear()
        self._waiting = 0
        self._delivered = self._ended
        return {"type": "http.request", "body": body, "more_body": not self._ended}

    async def _fail(self) -> None:
        if self.response.complete or self._disconnected:
            return
        if self.response.visible:
            self._connection.break_off()
            return
        self.response = Response(self._method, self._version, keep_alive=self._keep_alive)
        await answer(self.send, 500, b"Internal Server Error")

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
