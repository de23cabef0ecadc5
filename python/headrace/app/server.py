"""uvicorn's server as a worker runs it: our protocol class, ports and Unix sockets, signals left to the worker."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from socket import AF_UNIX, socket
from typing import Any

import uvicorn

from headrace._core import Tls, TlsError
from headrace.app.asgi import Application
from headrace.app.http1 import Connection
from headrace.app.lingering import Lingering
from headrace.app.plan import Certificate
from headrace.app.tls import Handshake

TICKS_A_SECOND = 10  # uvicorn's

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """Serves `app` with `state` in every scope; `certificate` None is plain HTTP.

    Example: `server = Server(app, {}, keep_alive=75.0); await server.serve([bound_socket])`, and to end it
    `server.stop(10.0)`.
    """

    def __init__(
        self,
        app: Application,
        state: dict[str, Any],
        *,
        keep_alive: float,
        websockets: bool = True,
        certificate: Certificate | None = None,
    ) -> None:
        config = uvicorn.Config(
            app,
            http=Connection,
            ws="auto" if websockets else "none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            # Only Connection reads it, and takes fractions of a second.
            timeout_keep_alive=keep_alive,  # type: ignore[arg-type]
        )
        super().__init__(config)
        config.load()
        self.listening = asyncio.Event()
        self._app_state = state
        self._shown = Shown(certificate) if certificate else None

    def stop(self, patience: float) -> None:
        """Ends `serve`: accepts no more, gives what is in flight `patience` seconds."""
        self.config.timeout_graceful_shutdown = patience  # type: ignore[assignment]
        self.should_exit = True

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listens; uvicorn would run the app's lifespan here, which the worker does."""
        loop = asyncio.get_running_loop()
        self.servers = []
        for each in sockets or []:
            create = loop.create_unix_server if each.family == AF_UNIX else loop.create_server
            server = await create(self._accept, sock=each, backlog=self.config.backlog)
            self.servers.append(server)
        self.started = True
        self.listening.set()

    async def on_tick(self, counter: int) -> bool:
        """Looks after connections and the certificate once a second."""
        if counter % TICKS_A_SECOND == 0:
            self._sweep()
            if self._shown:
                self._shown.reload()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The worker decides what a signal means."""
        yield

    def _accept(self) -> asyncio.Protocol:
        if self._shown is None:
            return self._connection()
        return Handshake(self._shown.tls, self._connection, self.server_state.connections)

    def _connection(self) -> Connection:
        return Connection(self.config, self.server_state, self._app_state)

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection | Handshake | Lingering):
                connection.sweep(now)


class Shown:
    """What clients are shown, which follows its files: a renewed certificate is for whoever connects next."""

    def __init__(self, certificate: Certificate) -> None:
        self._files = certificate
        self._changed = self._time()
        self.tls = self._read()

    def reload(self) -> None:
        """Reads the files again if they have changed; what can't be read leaves everything as it was, and is said once.

        A certificate is written after its key, so that its own time tells of both.
        """
        changed = self._time()
        if changed == self._changed:
            return
        self._changed = changed
        try:
            self.tls = self._read()
        except TlsError as error:
            logger.warning("the certificate %s can't be read again: %s", self._files.certificate, error)

    def _read(self) -> Tls:
        return Tls([(self._files.certificate, self._files.key)], http2=False)

    def _time(self) -> int:
        """When the certificate was written; 0 while there is none."""
        try:
            return Path(self._files.certificate).stat().st_mtime_ns
        except OSError:
            return 0
