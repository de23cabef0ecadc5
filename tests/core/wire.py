"""HTTP/1.1 as bytes on a socket: what is sent is exactly what goes out, what comes back is kept as it came.

Nothing here is clever about HTTP. `Stream` reads heads and bodies by their own framing and says when the end of it
was seen (`complete`), which is the difference between a whole message and one that only looks whole.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 10.0
"""Seconds after which a read that should have come is a failure; far above what anything here takes."""

Fields = list[tuple[str, str]]


@dataclass
class Message:
    """A request or response: `start` is its first line, `fields` are in order with lower-case names."""

    start: str
    fields: Fields
    raw_head: bytes
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    complete: bool = True
    interim: list[Message] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1])

    @property
    def reason(self) -> str:
        return self.start.split(" ", 2)[2]

    @property
    def method(self) -> str:
        return self.start.split(" ")[0]

    @property
    def target(self) -> str:
        return self.start.split(" ")[1]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    def __getitem__(self, name: str) -> str:
        """The one value of a field; a missing or repeated field is an error."""
        (value,) = self.all(name)
        return value

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.fields)


class Stream:
    """One end of a connection, with a read buffer and everything that was received."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        self.sock = sock
        self.received = bytearray()
        self._buffer = bytearray()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Closes in order: close_notify, which is not waited for, then FIN."""
        if isinstance(self.sock, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                self.sock.setblocking(False)
                self.sock.unwrap()
        self.cut()
        self.sock.close()

    def cut(self) -> None:
        """Breaks off: FIN without close_notify; whoever reads in another thread wakes up."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Closes with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock = self.sock
        if isinstance(sock, ssl.SSLSocket):  # close() of the wrapper leaves the descriptor to detach()
            sock = socket.socket(fileno=sock.detach())
        sock.close()

    def readable(self, within: float) -> bool:
        """Whether a byte or the end is there to be read before `within` seconds are over."""
        pending = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        return bool(self._buffer or pending or select.select([self.sock], [], [], within)[0])

    def _fill(self) -> bool:
        data = self.sock.recv(65536)
        self._buffer += data
        self.received += data
        return bool(data)

    def _take(self, length: int) -> bytes:
        data = bytes(self._buffer[:length])
        del self._buffer[:length]
        return data

    def read(self, length: int) -> bytes:
        """Exactly `length` bytes; raises `EOFError` with what there was."""
        while len(self._buffer) < length:
            if not self._fill():
                raise EOFError(self._take(length))
        return self._take(length)

    def some(self) -> bytes:
        """Whatever has come, at least one byte, or b"" at the end."""
        if not self._buffer:
            self._fill()
        return self._take(len(self._buffer))

    def until(self, mark: bytes) -> bytes:
        """Everything up to and with `mark`; raises `EOFError` with what there was."""
        while (position := self._buffer.find(mark)) < 0:
            if not self._fill():
                raise EOFError(self._take(len(self._buffer)))
        return self._take(position + len(mark))

    def rest(self) -> bytes:
        """Everything until the other side closes or resets."""
        with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
            while self._fill():
                pass
        return self._take(len(self._buffer))

    def ended_cleanly(self) -> bool:
        """Reads to the end: True for FIN (and close_notify), False for a reset or a cut TLS stream."""
        try:
            while self._fill():
                pass
        except (ConnectionError, ssl.SSLEOFError):
            return False
        return True

    def message(self) -> Message:
        """The next head, without its body."""
        head = self.until(b"\r\n\r\n")
        start, *lines = head[:-4].decode("latin-1").split("\r\n")
        return Message(start, [parse_field(line) for line in lines], head)

    def read_chunked(self, message: Message) -> None:
        body = bytearray()
        try:
            while size := int(self.until(b"\r\n").split(b";")[0], 16):
                body += self.read(size)
                assert self.read(2) == b"\r\n"
        finally:
            message.body = bytes(body)
        while (line := self.until(b"\r\n")) != b"\r\n":
            message.trailers.append(parse_field(line[:-2].decode("latin-1")))


def parse_field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip(" \t")


class Client(Stream):
    """A client's connection to the balancer."""

    def __init__(
        self,
        address: str,
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str = "localhost",
        receive_buffer: int = 0,
    ) -> None:
        sock = connect(address, receive_buffer=receive_buffer)
        if tls is None:
            super().__init__(sock)
        else:
            sock.settimeout(PATIENCE)
            super().__init__(tls.wrap_socket(sock, server_hostname=server_name, suppress_ragged_eofs=False))

    def get(self, target: str = "/", *fields: str) -> Message:
        return self.exchange("GET", target, *fields)

    def post(self, body: bytes, target: str = "/", *fields: str) -> Message:
        return self.exchange("POST", target, f"Content-Length: {len(body)}", *fields, body=body)

    def exchange(self, method: str, target: str, *fields: str, body: bytes = b"") -> Message:
        self.send(request(method, target, *fields, body=body))
        return self.response(method)

    def response(self, method: str = "GET") -> Message:
        """The next final response and its body; 1xx before it are its `interim`."""
        interim = []
        while (message := self.message()).status < 200 and message.status != 101:
            interim.append(message)
        message.interim = interim
        if method != "HEAD" and message.status not in {101, 204, 304}:
            self._read_body(message)
        return message

    def _read_body(self, message: Message) -> None:
        try:
            if "transfer-encoding" in message:
                assert message["transfer-encoding"] == "chunked"
                self.read_chunked(message)
            elif "content-length" in message:
                message.body = self.read(int(message["content-length"]))
            else:
                self._read_until_close(message)
        except EOFError as error:
            message.body += error.args[0]
            message.complete = False
        except (ConnectionError, ssl.SSLEOFError):
            message.body += self._take(len(self._buffer))
            message.complete = False

    def _read_until_close(self, message: Message) -> None:
        while self._fill():
            pass
        message.body = self._take(len(self._buffer))


def connect(address: str, *, receive_buffer: int = 0) -> socket.socket:
    """A connected TCP or Unix socket; `receive_buffer` bounds what the kernel takes in for a reader that is slow."""
    family, target = resolve(address)
    sock = socket.socket(family)
    try:
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(PATIENCE)
        sock.connect(target)
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        sock.close()
        raise
    return sock


def resolve(address: str) -> tuple[socket.AddressFamily, tuple[str, int] | str]:
    """What `socket` wants to know of "127.0.0.1:80", "[::1]:80" or "unix:/path"."""
    if address.startswith("unix:"):
        return socket.AF_UNIX, address.removeprefix("unix:")
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    return family, (host.strip("[]"), int(port))


def request(method: str, target: str, *fields: str, body: bytes = b"", host: str = "app.test") -> bytes:
    """The bytes of an HTTP/1.1 request, with `fields` as they stand."""
    head = "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *fields, "", ""])
    return head.encode("latin-1") + body


def reply(body: bytes = b"ok", *fields: str, status: str = "200 OK") -> bytes:
    """The bytes of a response with a length."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""])
    return head.encode("latin-1") + body


def chunked(*parts: bytes, trailers: bytes = b"") -> bytes:
    """`parts` as one chunk each, and the end."""
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return chunks + b"0\r\n" + trailers + b"\r\n"


def eventually(condition: Callable[[], object], within: float = PATIENCE) -> bool:
    """Whether `condition` becomes true before `within` seconds are over."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def refuses(address: str) -> bool:
    """Whether nobody listens there any more."""
    try:
        Client(address).close()
    except ConnectionError:  # a reset for one that was waiting to be accepted
        return True
    return False
