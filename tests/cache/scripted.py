"""A cache server that does as it is told: answers from a dict, or misbehaves in one of many ways."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

Answer = Callable[[bytes, dict[str, bytes]], bytes | None]  # of a request's head and the values; None closes


def response(status: int, body: bytes = b"", **fields: str) -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return head.encode() + b"\r\n" + body


def plain(head: bytes, values: dict[str, bytes]) -> bytes | None:
    """GET and PUT of single values, all fresh for a minute and without tags."""
    method, target, _ = head.split(b" ", 2)
    key = parse_qs(urlsplit(target.decode()).query).get("key", [""])[0]
    if method == b"GET":
        return response(200, values[key], Cache_Control="max-age=60", Cache_Tags="") if key in values else response(404)
    if method == b"PUT":
        values[key] = head.partition(b"\r\n\r\n")[2]
        return response(204)
    return response(404 if values.pop(key, None) is None else 204)


class Scripted:
    """The server: `answer` may be exchanged while it runs; `connections` and `requests` are counted."""

    def __init__(self, answer: Answer = plain, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.tls = tls
        self.values: dict[str, bytes] = {}
        self.connections = 0
        self.requests = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.listener.getsockname()[1]}"
        self.sockets: list[socket.socket] = []
        self._here = threading.local()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def stream(self) -> socket.socket:
        """The connection of the request that is being answered by this thread."""
        return self._here.stream

    def drop(self) -> None:
        """Closes all connections there are."""
        for one in self.sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.sockets.append(one)
            threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, one: socket.socket) -> None:
        with contextlib.suppress(OSError), self.tls.wrap_socket(one, server_side=True) if self.tls else one as stream:
            self._here.stream = stream
            while request := self._read(stream):
                self.requests += 1
                answer = self.answer(request, self.values)
                if answer is None:
                    return
                stream.sendall(answer)

    @staticmethod
    def _read(one: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            more = one.recv(65536)
            if not more:
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = next((int(f[15:]) for f in head.lower().split(b"\r\n") if f.startswith(b"content-length:")), 0)
        while len(body) < length:
            body += one.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        with contextlib.suppress(OSError):  # it may be closed already
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.drop()


@contextlib.contextmanager
def scripted(answer: Answer = plain, tls: ssl.SSLContext | None = None):
    server = Scripted(answer, tls)
    try:
        yield server
    finally:
        server.close()
