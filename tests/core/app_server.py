"""App servers that follow a script: they note every byte they get and answer with exactly the bytes they are told.

A script is a function that gets each accepted `Connection` in a thread of its own:

    def greets(connection):
        while request := connection.request():
            connection.send(reply(b"hello"))
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from typing_extensions import Self

from .wire import PATIENCE, Message, Stream, reply, resolve

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

Script = Callable[["Connection"], None]


class Connection(Stream):
    """One connection that the balancer opened, `index` counts them from 0."""

    def __init__(self, sock: socket.socket, server: AppServer, index: int) -> None:
        super().__init__(sock)
        self.server = server
        self.index = index

    def head(self) -> Message | None:
        """The head of the next request, or None at the end; it is noted in `server.requests`."""
        try:
            message = self.message()
        except (EOFError, OSError):
            return None
        self.server.requests.append(message)
        return message

    def request(self) -> Message | None:
        """The next request with its body; `complete` is False where the body broke off."""
        message = self.head()
        if message is not None:
            self.read_body(message)
        return message

    def read_body(self, message: Message) -> None:
        try:
            if "transfer-encoding" in message:
                self.read_chunked(message)
            elif "content-length" in message:
                message.body = self.read(int(message["content-length"]))
        except (EOFError, OSError):
            message.complete = False


class AppServer:
    """Listens until it is closed; usable in `with`."""

    def __init__(self, script: Script, *, address: str = "127.0.0.1:0", tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._socket, self.address = listen(address)
        self.requests: list[Message] = []
        self.connections: list[Connection] = []
        self.tls_failures: list[Exception] = []
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def received(self) -> bytes:
        """Every byte that came, connection after connection."""
        return b"".join(bytes(connection.received) for connection in self.connections)

    @property
    def targets(self) -> list[str]:
        return [request.target for request in self.requests]

    def close(self) -> None:
        """Stops listening, breaks what stands and waits for the scripts."""
        self.stop_listening()
        for connection in self.connections:
            connection.cut()
        for thread in self._threads:
            thread.join(PATIENCE)

    def stop_listening(self) -> None:
        """New connections are refused; those that stand go on."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(OSError):  # wakes accept(), which close() alone does not
                self._socket.shutdown(socket.SHUT_RDWR)
            self._acceptor.join(PATIENCE)
            self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._socket.accept()
                if sock.family != socket.AF_UNIX:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        if self._tls is not None:
            try:
                sock = self._tls.wrap_socket(sock, server_side=True, suppress_ragged_eofs=False)
            except OSError as error:
                self.tls_failures.append(error)
                sock.close()
                return
        connection = Connection(sock, self, len(self.connections))
        self.connections.append(connection)
        # A script ends when the balancer leaves it; what it should have seen is asserted by the test.
        with contextlib.suppress(OSError, EOFError):
            self._script(connection)
        connection.close()


def listen(address: str) -> tuple[socket.socket, str]:
    """A listening socket and its address, with the port that it really has."""
    family, target = resolve(address)
    sock = socket.socket(family)
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(target)
    sock.listen(128)
    if family == socket.AF_UNIX:
        return sock, address
    return sock, f"{address.rpartition(':')[0]}:{sock.getsockname()[1]}"


def refused_address() -> str:
    """An address where nobody listens."""
    sock, address = listen("127.0.0.1:0")
    sock.close()
    return address


@contextlib.contextmanager
def deaf_address() -> Iterable[str]:
    """An address whose connection attempts are never answered: its queue is full."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        address = f"127.0.0.1:{sock.getsockname()[1]}"
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(sock.getsockname())
        try:
            yield address
        finally:
            for filler in fillers:
                filler.close()


def answers(*responses: bytes) -> Script:
    """Answers each request of a connection with the next of `responses`, the last one for all that follow."""
    replies = responses or (reply(),)

    def script(connection: Connection) -> None:
        count = 0
        while (message := connection.request()) and message.complete:
            connection.send(replies[min(count, len(replies) - 1)])
            count += 1

    return script


def echoes(connection: Connection) -> None:
    """Answers with the body it was sent, or with the target when there was none."""
    while (message := connection.request()) and message.complete:
        connection.send(reply(message.body or message.target.encode("latin-1")))


def named(name: str) -> Script:
    """Always answers with `name`."""
    return answers(reply(name.encode()))


def answers_once(response: bytes) -> Script:
    """Answers the first request of a connection and closes."""

    def script(connection: Connection) -> None:
        if connection.request():
            connection.send(response)

    return script


def hangs_up(connection: Connection) -> None:
    """Reads a request and closes without a word."""
    connection.request()


class Gate:
    """Holds requests until the test opens it; `waiting` tells how many are held."""

    def __init__(self, response: bytes | None = None) -> None:
        self._response = response or reply()
        self._open = threading.Event()
        self._lock = threading.Lock()
        self.waiting = 0

    def open(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._open.clear()

    def __call__(self, connection: Connection) -> None:
        while (message := connection.request()) and message.complete:
            with self._lock:
                self.waiting += 1
            self._open.wait(PATIENCE)
            with self._lock:
                self.waiting -= 1
            connection.send(self._response)
