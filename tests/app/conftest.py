"""Fixtures of the app runtime's tests: an app served in this process, `headrace serve` as processes, a balancer's
admin port played by a thread.
"""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from headrace.app.asgi import Application
from headrace.app.place import Place
from headrace.app.server import Server

from .serving import Serve

SAMPLE = Path(__file__).parent / "sample.py"


@dataclass
class Wire:
    """A raw connection to an app that is served."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, request: bytes) -> bytes:
        """Everything that comes until the other side closes."""
        self.writer.write(request)
        return await asyncio.wait_for(self.reader.read(), 10)

    async def head(self) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)


@dataclass
class Served:
    """An app that is served on a port of its own."""

    server: Server
    port: int
    open_wires: list[Wire] = field(default_factory=list)

    async def wire(self) -> Wire:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.port))
        self.open_wires.append(wire)
        return wire

    async def ask(self, request: bytes) -> bytes:
        return await (await self.wire()).ask(request)


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., "asyncio.Future[Served]"]]:
    """`served = await serve(app)`: the app behind our protocol class, on a real socket in this process."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(app: Application, *, keep_alive: float = 75.0, state: dict | None = None) -> Served:
            return await stack.enter_async_context(_served(app, keep_alive, state or {}))

        yield start


@contextlib.asynccontextmanager
async def _served(app: Application, keep_alive: float, state: dict) -> AsyncIterator[Served]:
    server = Server(app, state, keep_alive=keep_alive)
    place, listener = Place("127.0.0.1").bind()
    serving = asyncio.create_task(server.serve([listener]))
    await server.listening.wait()
    served = Served(server, place.port)
    try:
        yield served
    finally:
        for wire in served.open_wires:
            wire.writer.close()
        server.stop(1.0)
        await serving


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the sample app, as a user's project."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "sample.py").write_text(SAMPLE.read_text())
    return folder


@pytest.fixture
def headrace_serve(project: Path, tmp_path: Path) -> Iterator[Callable[..., Serve]]:
    """`headrace_serve("sample:app", "--workers", "2")`: the verb as processes, ended with the test."""
    started: list[Serve] = []

    def start(*arguments: str, ready: bool = True, **env: str) -> Serve:
        process = Serve(arguments, project, tmp_path, f"serve-{len(started)}", env)
        started.append(process)
        if ready:
            process.wait_for_line("urls")
        return process

    yield start
    for process in started:
        process.kill()


class FakeBalancer:
    """The admin port of a balancer, in plain HTTP; `calls` are what it was asked, `reply` is what it says."""

    def __init__(self, port: int = 0) -> None:
        self.calls: list[tuple[str, dict[str, str], str]] = []
        self.status = 200
        self.state = "up"
        self.said = {"message": "as told"}
        self.hold = threading.Event()  # a reply to /unregister waits for it
        self.hold.set()
        self.open_sockets: list[socket.socket] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def asked(self, path: str) -> list[dict[str, str]]:
        return [query for called, query, _ in self.calls if called == path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for each in self.open_sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                fake.calls.append((parts.path, query, self.headers.get("Authorization", "")))
                if parts.path == "/unregister":
                    fake.hold.wait(20)
                body = json.dumps(fake.said | {"state": fake.state}).encode()
                self.send_response(fake.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - the standard library's name

            def setup(self) -> None:
                super().setup()
                fake.open_sockets.append(self.connection)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def fake_balancer() -> Iterator[Callable[..., FakeBalancer]]:
    """`fake = fake_balancer()`, on a free port or the one that is given."""
    running: list[FakeBalancer] = []

    def start(port: int = 0) -> FakeBalancer:
        running.append(FakeBalancer(port))
        return running[-1]

    yield start
    for fake in running:
        fake.hold.set()
        fake.close()
