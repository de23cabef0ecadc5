"""An object store of a page, with faults on demand; what is in it survives its going away.

It knows what a sink needs of S3: PUT, with `If-None-Match: *` answered 412 where the key is taken, and GET. An object
that is written again with other bytes is remembered, too: it never may be.
"""

import contextlib
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BUCKET = "landed"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: "Server"

    def do_PUT(self) -> None:
        self.server.store.fault(self)

    def do_GET(self) -> None:
        data = self.server.store.objects.get(self.key)
        if data is None:
            self.refuse(404, "NoSuchKey")
        else:
            self.say(200, data)

    @property
    def key(self) -> str:
        return self.path.removeprefix(f"/{BUCKET}/")

    def keep(self) -> None:
        """Stores the body as S3 does, and answers."""
        if self.store_body():
            self.say(200)
        else:
            self.refuse(412, "PreconditionFailed")

    def store_body(self) -> bool:
        """Whether the key was free, or might be overwritten."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        return self.server.store.put(self.key, body, create=self.headers["If-None-Match"] == "*")

    def refuse(self, status: int, code: str, **fields: str) -> None:
        self.say(status, f"<Error><Code>{code}</Code><Message>because</Message></Error>".encode(), **fields)

    def say(self, status: int, body: bytes = b"", **fields: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Mon, 24 Nov 2025 16:00:00 GMT")
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def drop(self) -> None:
        """Ends the connection without another word."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        pass


Fault = Callable[[Handler], None]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    store: "Store"

    def handle_error(self, *_: object) -> None:
        """A client that was killed amid an upload is no news."""


class Store:
    """Objects, the fault that PUTs meet now, and a server that comes and goes at one port."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.changed: list[str] = []
        self.puts = 0
        self.fault: Fault = Handler.keep
        self._lock = threading.Lock()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]

    @property
    def environment(self) -> dict[str, str]:
        """What leads a service here."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }

    def put(self, key: str, body: bytes, *, create: bool) -> bool:
        with self._lock:
            self.puts += 1
            there = self.objects.get(key)
            if there is not None and create:
                return False
            if there not in {None, body}:
                self.changed.append(key)
            self.objects[key] = body
            return True

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        server = Server(("127.0.0.1", self._port), Handler)
        server.store = self
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def slow(request: Handler) -> None:
    time.sleep(0.2)
    request.keep()


def throttling(request: Handler) -> None:
    _take(request)
    request.refuse(503, "SlowDown", Retry_After="1")


def failing(request: Handler) -> None:
    _take(request)
    request.refuse(500, "InternalError")


def revoked(request: Handler) -> None:
    _take(request)
    request.refuse(403, "AccessDenied")


def hanging_up(request: Handler) -> None:
    """Half of the body is enough for it."""
    request.rfile.read(int(request.headers["Content-Length"]) // 2)
    request.drop()


def losing_answers(request: Handler) -> None:
    """It stores, and never says so."""
    request.store_body()
    request.drop()


def halving_answers(request: Handler) -> None:
    """It stores, and says so in part."""
    request.store_body()
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nETag: ")
    request.drop()


def refusing_what_it_stored(request: Handler) -> None:
    request.store_body()
    request.refuse(500, "InternalError")


def picky(request: Handler) -> None:
    """Every other key is one that it never takes."""
    if zlib.crc32(request.key.encode()) % 2:
        request.keep()
    else:
        _take(request)
        request.refuse(400, "EntityTooLarge")


def _take(request: Handler) -> None:
    request.rfile.read(int(request.headers["Content-Length"]))
