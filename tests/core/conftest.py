"""Fixtures that start the real core on port 0, in front of scripted app servers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from headrace._core import Balancer, BalancerOptions, Engine, Event, Limits, Route, RoutingTable, Server, Service, Tls

from .app_server import AppServer, Script
from .certificates import Authority, Leaf
from .http2 import Http2Client
from .ingest_service import Service as IngestService
from .process import Process, balancer
from .wire import Client, eventually

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from headrace._core import Listener, ServerStats

Servers = Sequence[Server | AppServer]


class Proxy:
    """A running engine with one listener and a balancer; everything a test needs of it."""

    def __init__(self, engine: Engine, balancer: Balancer, listener: Listener, authority: Authority) -> None:
        self.engine = engine
        self.balancer = balancer
        self.listener = listener
        self.address = listener.address
        self._authority = authority
        self._seen: list[Event] = []
        self._open = contextlib.ExitStack()

    def client(self, *, tls: ssl.SSLContext | None = None, receive_buffer: int = 0) -> Client:
        """A new connection, closed at the end of the test."""
        client = Client(self.address, tls=tls, receive_buffer=receive_buffer)
        self._open.callback(client.close)
        return client

    def http2(self, **options: Any) -> Http2Client:
        client = Http2Client(self.address, self._authority.client_context("h2"), **options)
        self._open.callback(client.close)
        return client

    def publish(self, servers: Servers, *, routes: Sequence[Route] | None = None, **service: Any) -> None:
        """One service of these servers for everything."""
        members = [as_server(index, server) for index, server in enumerate(servers)]
        table = RoutingTable([Service("web", members, **service)], [Route("web")] if routes is None else routes)
        self.balancer.publish(table)

    def stats(self, server: str = "s0") -> ServerStats:
        (stats,) = [stats for stats in self.balancer.stats() if stats.id == server]
        return stats

    def event(self, kind: str, server: str) -> Event:
        """The next event of that kind and server; others are kept for later calls."""
        found: list[Event] = []

        def arrived() -> bool:
            self._seen += self.engine.events(0.05)
            found[:] = [event for event in self._seen if (event.kind, event.server) == (kind, server)]
            return bool(found)

        assert eventually(arrived), f"no event {kind} of {server}, but {[(e.kind, e.server) for e in self._seen]}"
        self._seen.remove(found[0])
        return found[0]

    def close(self) -> None:
        """Closes the clients; the engine is ended by who started it."""
        self._open.close()


class StartBalancer(Protocol):
    def __call__(
        self,
        servers: Servers,
        *,
        limits: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
        tls: Tls | None = None,
        threads: int = 1,
        address: str = "127.0.0.1:0",
        **service: Any,
    ) -> Proxy: ...


class StartServer(Protocol):
    def __call__(
        self, script: Script, *, address: str = "127.0.0.1:0", tls: ssl.SSLContext | None = None
    ) -> AppServer: ...


ProxiedHttp2 = Callable[..., tuple[AppServer, Proxy, Http2Client]]


def as_server(index: int, server: Server | AppServer) -> Server:
    """Scripted servers are called s0, s1, ... in the table."""
    return Server(f"s{index}", server.address) if isinstance(server, AppServer) else server


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def localhost(authority: Authority) -> Leaf:
    return authority.leaf("localhost", "127.0.0.1", "::1")


@pytest.fixture
def tls(localhost: Leaf) -> Tls:
    """What a TLS listener of a test shows."""
    return Tls([localhost.pair])


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Starts scripted app servers."""
    with contextlib.ExitStack() as stack:

        def start(script: Script, **options: Any) -> AppServer:
            return stack.enter_context(AppServer(script, **options))

        yield start


@pytest.fixture
def start_balancer(start_server: StartServer, authority: Authority) -> Iterator[StartBalancer]:
    """Starts balancers; it depends on `start_server` so that engines end before the servers behind them."""
    with balancers(authority) as start:
        yield start


@pytest.fixture
def proxied(start_server: StartServer, start_balancer: StartBalancer, tls: Tls) -> ProxiedHttp2:
    """Starts an app server with a script, a balancer before it, and an HTTP/2 client of that."""

    def start(script: Script, **options: Any) -> tuple[AppServer, Proxy, Http2Client]:
        app = start_server(script)
        proxy = start_balancer([app], tls=tls, **options)
        return app, proxy, proxy.http2()

    return start


@pytest.fixture(scope="module")
def module_balancer(authority: Authority) -> Iterator[Callable[..., tuple[Proxy, AppServer]]]:
    """Starts a balancer in front of one server for all tests of a module."""
    with contextlib.ExitStack() as stack:

        def start(script: Script, **options: Any) -> tuple[Proxy, AppServer]:
            app = stack.enter_context(AppServer(script))
            return stack.enter_context(balancers(authority))([app], **options), app

        yield start


@contextlib.contextmanager
def balancers(authority: Authority) -> Iterator[StartBalancer]:
    """Starts engines of one thread (picks are then in order) that listen and have a table; ends them."""
    with contextlib.ExitStack() as stack:

        def start(
            servers: Servers,
            *,
            limits: dict[str, Any] | None = None,
            options: dict[str, Any] | None = None,
            tls: Tls | None = None,
            threads: int = 1,
            address: str = "127.0.0.1:0",
            **service: Any,
        ) -> Proxy:
            engine = Engine(threads=threads, limits=Limits(**(limits or {})))
            stack.callback(engine.stop, 0)
            balancer = Balancer(BalancerOptions(**(options or {})))
            proxy = Proxy(engine, balancer, engine.listen(address, balancer, tls=tls), authority)
            stack.callback(proxy.close)
            proxy.publish(servers, **service)
            return proxy

        yield start


@pytest.fixture
def start_ingest(tmp_path: Path, tls: Tls, authority: Authority) -> Iterator[Callable[..., IngestService]]:
    """Starts ingest servers, each with a journal in a folder of its own unless one is named."""
    with contextlib.ExitStack() as stack:

        def start(
            *,
            http2: bool = False,
            folder: str = "journal",
            journal: dict[str, Any] | None = None,
            limits: dict[str, Any] | None = None,
            **options: Any,
        ) -> IngestService:
            secure = (tls, authority.client_context("h2")) if http2 else None
            service = IngestService(tmp_path / folder, journal or {}, options, limits=limits or {}, tls=secure)
            stack.callback(service.close)
            return service

        yield start


@pytest.fixture
def start_process() -> Iterator[Callable[..., Process]]:
    """Starts balancers in processes of their own."""
    with contextlib.ExitStack() as stack:

        def start(server: str, **options: Any) -> Process:
            process = balancer(server, **options)
            stack.callback(process.close)
            return process

        yield start


@pytest.fixture
def in_background() -> Iterator[Any]:
    """Runs a call in a thread; its `result()` waits for what it returned."""
    running: list[Call] = []

    def start(call: Any, *arguments: Any) -> Call:
        running.append(Call(call, arguments))
        return running[-1]

    yield start
    for call in running:
        call.thread.join(10)


class Call:
    def __init__(self, call: Any, arguments: tuple[Any, ...]) -> None:
        self._value: Any = None
        self._error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, args=(call, arguments), daemon=True)
        self.thread.start()

    def _run(self, call: Any, arguments: tuple[Any, ...]) -> None:
        try:
            self._value = call(*arguments)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the result is asked for
            self._error = error

    @property
    def done(self) -> bool:
        return not self.thread.is_alive()

    def result(self, within: float = 15.0) -> Any:
        self.thread.join(within)
        assert self.done, "it still waits"
        if self._error is not None:
            raise self._error
        return self._value
