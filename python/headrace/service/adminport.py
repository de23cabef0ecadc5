"""The admin port's socket and server: uvicorn inside our event loop, over TLS that knows its clients."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from headrace.errors import OperationError, UsageError
from headrace.state import reason

BACKLOG = 1024
STOP_WITHIN = 3  # seconds for calls under way
HEAD_WITHIN = 30.0  # seconds for the head of a request
GOODBYE = 0.1  # seconds that a client may take to answer TLS's goodbye


class AdminPort:
    """One bound address that serves `app`.

    Example: `port = AdminPort(app, "127.0.0.1:2001", (chain, key), ca)`, then `await port.run()`.

    A client may show a certificate of the authority `ca`; one that isn't ends the handshake.
    Raises `UsageError` for an address that can't be read, `OperationError` for one that can't be bound.
    """

    def __init__(self, app: ASGIApp, address: str, pair: tuple[Path, Path], ca: Path) -> None:
        self._socket = _bind(address)
        self._pair = pair
        config = uvicorn.Config(
            app,
            http=_Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ssl_certfile=pair[0],
            ssl_keyfile=pair[1],
            ssl_ca_certs=str(ca),
            ssl_cert_reqs=ssl.CERT_OPTIONAL,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=STOP_WITHIN,
        )
        config.load()
        assert config.ssl is not None
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        self._tls = config.ssl
        self._server = _Server(config)

    @property
    def address(self) -> str:
        """Where it really listens."""
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def reload(self) -> None:
        """New handshakes show what the certificate's files hold now."""
        self._tls.load_cert_chain(*self._pair)

    async def run(self) -> None:
        """Serve until `stop`."""
        await self._server.serve(sockets=[self._socket])

    async def started(self) -> None:
        """Wait until it serves."""
        await self._server.serving.wait()

    def stop(self) -> None:
        """End soon: calls under way have a few seconds."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """Tells when it serves; the process's signals are the balancer's, not its admin port's."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        await super().startup(sockets=sockets)
        self.serving.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Leave signals alone."""


class _Connection(HttpToolsProtocol):
    """uvicorn's connection, with what the admin port needs beyond.

    A client's certificate in the scope, as the ASGI TLS extension has it; an end to clients that don't finish a
    request's head; no wait for idle ones when the port stops.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_due = self.loop.call_later(HEAD_WITHIN, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_due.cancel()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        self._head_due.cancel()
        super().on_headers_complete()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_due.cancel()
        self._head_due = self.loop.call_later(HEAD_WITHIN, self.transport.abort)
        peer = self.transport.get_extra_info("peercert")
        if peer:
            name = ",".join(f"{key}={value}" for pairs in peer.get("subject", ()) for key, value in pairs)
            self.scope["extensions"] = {"tls": {"client_cert_name": name}}

    def shutdown(self) -> None:
        """Close when the call under way is done; an idle client reads nothing, so its goodbye isn't waited for."""
        super().shutdown()
        self.loop.call_later(GOODBYE, self._break_off)

    def _break_off(self) -> None:
        if self.transport.is_closing():
            self.transport.abort()
        else:
            self.loop.call_later(GOODBYE, self._break_off)


def _bind(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"cannot read the admin address {address!r}", hint="write host:port, such as 127.0.0.1:2001")
    # uvicorn's news of its own start and end is not the balancer's.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        with ExitStack() as unless_bound:
            bound = unless_bound.enter_context(socket.socket(family, kind, protocol))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(target)
            # An address that is bound and silent could be taken by the public port; callers wait in the backlog.
            bound.listen(BACKLOG)
            unless_bound.pop_all()
    except OSError as error:
        message = f"cannot listen on the admin address {address}: {reason(error)}"
        raise OperationError(message, hint="choose another with --admin") from error
    return bound
