"""HTTP/1.1 for ASGI apps: the protocol class that uvicorn's server runs for each connection.

It differs from uvicorn's own in what a worker behind a balancer pays for each request (the figures are in
docs/app.md): head and body leave in one write, which over TLS is one record; an idle connection is a deadline that
`sweep` looks at, not a timer for each request; nothing is made before it is needed; and a request that is nothing but
a head in one piece, as most are, is read in one call by the core, which has a strict reader of its own. Everything else
goes to llhttp piece by piece.

Invariants
- the core reads only where llhttp has no part of a request, and only requests that leave the connection open;
- requests are answered in the order in which they came: one exchange is active, at most those of one read wait;
- bytes that can't be parsed end the connection, with a 400 where no response is under way;
- a WebSocket handshake hands the connection over, with every byte that came behind it.
"""

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import httptools
from uvicorn import Config
from uvicorn.server import ServerState

from headrace._core import HeadReader
from headrace.app.exchange import Exchange
from headrace.app.lingering import LINGER_SECONDS, linger

if TYPE_CHECKING:
    from headrace.app.asgi import Scope

HEAD_BYTES: Final = 65536  # the balancer passes half of it, and adds fields of its own
HEAD_SECONDS: Final = 30.0
HASH: Final = ord("#")  # as a number, which bytes are searched for in half the time
REFUSALS: Final = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}

read_head: Final = HeadReader().read


class Connection(asyncio.Protocol):
    """A client's connection, usually the balancer's. The constructor is uvicorn's."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.loop = _loop or asyncio.get_running_loop()
        self.write_paused = False
        self._config = config
        self._server_state = server_state
        self._app = config.loaded_app
        self._app_state = app_state
        self._parser = httptools.HttpRequestParser(self)
        self._between = True  # the parser has no part of a request, and may get more of them
        self._active: Exchange | None = None  # is being answered
        self._arriving: Exchange | None = None  # is being read
        self._waiting: deque[Exchange] = deque()  # arrived before the active one was answered
        self._in_head = False
        self._head_bytes = 0
        self._dated: list[tuple[bytes, bytes]] | None = None  # what `_date` was made from
        self._date = b""
        self._websocket = False
        self._lingering = False
        self._read_paused = False
        self._writable: asyncio.Future[None] | None = None

    # asyncio's calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Learns who is there."""
        self._transport = transport
        self.write = transport.write
        self._scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        self._client = _host_and_port(transport.get_extra_info("peername"))
        self._server = _host_and_port(transport.get_extra_info("sockname"))
        self._server_state.connections.add(self)  # type: ignore[arg-type]
        self.deadline = self.loop.time() + HEAD_SECONDS

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Tells those who are being answered that nobody listens."""
        self._server_state.connections.discard(self)
        for exchange in (self._active, self._arriving, *self._waiting):
            if exchange is not None:
                exchange.disconnect()
        self._waiting.clear()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Parses; what the parser finds comes back as the `on_` calls below."""
        if self._between and (head := read_head(data)) is not None:
            self._arrive(*head, version="1.1", keep_alive=True, expects_continue=False)
            self.on_message_complete()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._websocket:
                self._become_websocket(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(400)
        else:
            if self._in_head:
                self._bound_head(len(data))

    def pause_writing(self) -> None:
        """The other side reads slower than the app writes."""
        self.write_paused = True

    def resume_writing(self) -> None:
        """It has caught up, or is gone."""
        self.write_paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    # The parser's calls

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._in_head = True
        self._between = False

    def on_url(self, url: bytes) -> None:
        """A piece of its target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its fields; trailers come here too, and go nowhere."""
        self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Its head is whole: it can be answered while its body arrives."""
        fields, self._fields = self._fields, []
        self._in_head, self._head_bytes = False, 0
        upgrades = self._parser.should_upgrade()
        if upgrades and self._is_websocket(fields):
            self._websocket = True
            self._handshake = fields
            return
        method, version = self._parser.get_method().decode("ascii"), self._parser.get_http_version()
        self._arrive(
            method,
            *_split_target(self._url),
            fields,
            version=version,
            # What follows a refused upgrade can't be told apart from what the client hoped to say in it.
            keep_alive=not upgrades and version == "1.1" and self._parser.should_keep_alive(),
            expects_continue=method != "GET" and _expects_continue(fields),
        )

    def on_body(self, data: bytes) -> None:
        """A piece of its body."""
        if self._arriving is not None:
            self._arriving.feed(data)

    def on_message_complete(self) -> None:
        """It has arrived to its end."""
        if self._arriving is not None:
            self._between = self._arriving.response.keep_alive
            self._arriving.end()
            self._arriving = None
        if self._lingering:
            self._transport.close()

    # The exchange's calls

    @property
    def date(self) -> bytes:
        """The field that says what time it is, made anew when uvicorn has made its own anew, once a second."""
        made = self._server_state.default_headers
        if made is not self._dated:
            self._dated = made
            self._date = b"%b: %b\r\n" % made[0]
        return self._date

    async def drained(self) -> None:
        """Waits until there is room to write."""
        if self._writable is None or self._writable.done():
            self._writable = self.loop.create_future()
        await self._writable

    def pause_reading(self) -> None:
        """Lets the other side wait."""
        if not self._read_paused:
            self._read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Goes on."""
        if self._read_paused and not self._waiting:
            self._read_paused = False
            self._transport.resume_reading()

    def answered(self, exchange: Exchange) -> None:
        """The response was written to its end: the next one, or idleness."""
        if not exchange.response.keep_alive:
            self._close_behind(exchange)
        elif self._waiting:
            self._start(self._waiting.popleft())
        else:
            self._active = None
            self.deadline = self.loop.time() + self._config.timeout_keep_alive
        if self._read_paused:
            self.resume_reading()

    def finished(self, exchange: Exchange) -> None:
        """The app has returned, possibly long after its response."""
        assert exchange.task is not None
        self._server_state.tasks.discard(exchange.task)

    def break_off(self) -> None:
        """Ends the connection so that what was sent can't look whole."""
        self._transport.abort()

    # The server's calls

    def shutdown(self) -> None:
        """Ends as soon as the request that is being answered is; uvicorn calls it when it stops."""
        if self._active is None:
            self._transport.close()
        else:
            self._active.response.keep_alive = False

    def sweep(self, now: float) -> None:
        """Ends the connection when it has been idle, or in the middle of a head, for too long."""
        if now < self.deadline:
            return
        if self._in_head:
            self._refuse(408)
        else:
            self._transport.close()

    # Its own

    def _arrive(
        self,
        method: str,
        raw_path: bytes,
        query: bytes,
        fields: list[tuple[bytes, bytes]],
        *,
        version: str,
        keep_alive: bool,
        expects_continue: bool,
    ) -> None:
        """A request whose head is whole is answered now, or when it is its turn."""
        path = raw_path.decode("ascii")
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "method": method,
            "scheme": self._scheme,
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": fields,
            "client": self._client,
            "server": self._server,
            "state": self._app_state.copy(),
        }
        exchange = Exchange(self, scope, keep_alive=keep_alive, expects_continue=expects_continue)
        self._arriving = exchange
        if self._active is None:
            self._start(exchange)
        else:
            self._waiting.append(exchange)
            self.pause_reading()

    def _start(self, exchange: Exchange) -> None:
        self._active = exchange
        self.deadline = math.inf
        exchange.task = self.loop.create_task(exchange.run(self._app))
        self._server_state.tasks.add(exchange.task)

    def _bound_head(self, count: int) -> None:
        """A head that didn't come in one piece is given a deadline and a size."""
        if self._head_bytes == 0:
            # How much of this read is the head's isn't known: a body may stand before it. It counts as one byte.
            count = 1
            if self._active is None:
                self.deadline = self.loop.time() + HEAD_SECONDS
        self._head_bytes += count
        if self._head_bytes > HEAD_BYTES:
            self._refuse(431)

    def _close_behind(self, exchange: Exchange) -> None:
        """Ends the connection behind a response, which a close on bytes that are still coming in would destroy."""
        if self._arriving is exchange:
            self._lingering = True
            self.deadline = self.loop.time() + LINGER_SECONDS
        else:
            self._transport.close()

    def _refuse(self, status: int) -> None:
        if self._active is not None or self._arriving is not None:
            self._transport.close()
            return
        reason = REFUSALS[status]
        self.write(b"HTTP/1.1 %d %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % (status, reason))
        self._server_state.connections.discard(self)
        linger(self._transport, self._server_state.connections)

    def _is_websocket(self, fields: list[tuple[bytes, bytes]]) -> bool:
        asked = any(name == b"upgrade" and value.lower() == b"websocket" for name, value in fields)
        return asked and self._config.ws_protocol_class is not None and self._active is None

    def _become_websocket(self, rest: bytes) -> None:
        """The class of uvicorn takes over; it parses the handshake itself, so it is given back to it."""
        make = self._config.ws_protocol_class
        assert make is not None
        self._server_state.connections.discard(self)
        websocket = make(  # type: ignore[call-arg]
            config=self._config, server_state=self._server_state, app_state=self._app_state
        )
        websocket.connection_made(self._transport)
        lines = [b"GET %b HTTP/1.1\r\n" % self._url, *(b"%b: %b\r\n" % field for field in self._handshake), b"\r\n"]
        websocket.data_received(b"".join(lines))
        self._transport.set_protocol(websocket)
        if rest:
            websocket.data_received(rest)


def _host_and_port(address: object) -> tuple[str, int | None] | None:
    """What a scope says of an end of the connection; nothing of the client's end of a Unix socket."""
    if isinstance(address, tuple | list) and len(address) >= 2:
        return str(address[0]), int(address[1])
    return (address, None) if isinstance(address, str) and address else None


def _split_target(url: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request's target, which is mostly, but need not be, just these."""
    if url[:1] == b"/" and HASH not in url:
        path, _, query = url.partition(b"?")
        return path, query
    if url == b"*":
        return url, b""
    parsed = httptools.parse_url(url)
    return parsed.path or b"/", parsed.query or b""


def _expects_continue(fields: list[tuple[bytes, bytes]]) -> bool:
    return any(name == b"expect" and value.lower() == b"100-continue" for name, value in fields)
