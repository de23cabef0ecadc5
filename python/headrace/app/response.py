"""Puts a response into HTTP/1.1: messages of ASGI in, bytes out. Pure; `Exchange` writes them.

Invariants
- no byte comes out before the first piece of the body (ASGI's rule): head and first piece leave in one write, and a
  body that comes in one piece gets a Content-Length where the app gave none;
- framing is ours alone: an app's Transfer-Encoding is dropped, its Content-Length is held against what it sends;
- a head has exactly the line ends that are written here, whatever an app's fields contain.
"""

import http
from typing import Final

from headrace.app.asgi import Fields

ONE_PIECE: Final = 65536  # bytes; a larger piece is handed on uncopied, its head before it
NUL, LF, CR = b"\0\n\r"  # as numbers, which bytes are searched for in half the time
BODILESS: Final = frozenset({204, 304})
SPECIAL: Final = frozenset({b"content-length", b"transfer-encoding", b"connection", b"date"})


def _status_line(status: int) -> bytes:
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


STATUS_LINES: Final = {status: _status_line(status) for status in range(200, 600)}


class ResponseError(RuntimeError):
    """The app sent what can't be a response; the message says what."""


class Response:
    r"""One response in the making.

    Example:
        response = Response("GET", "1.1", keep_alive=True)
        response.start(200, [(b"content-type", b"text/plain")], b"date: ...\r\n")
        response.piece(b"hello", more=False)  # [b"HTTP/1.1 200 OK\r\n...hello"]
    """

    __slots__ = ("_bodiless", "_chunked", "_head", "_left", "_version", "complete", "keep_alive", "started", "visible")

    def __init__(self, method: str, version: str, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.started = False
        self.visible = False  # bytes of it have come out
        self.complete = False
        self._version = version
        self._bodiless = method == "HEAD"
        self._head = b""
        self._chunked = False
        self._left: int | None = None  # bytes that a promised length still owes

    def start(self, status: int, fields: Fields, date: bytes) -> None:
        """Takes status and header fields; `date` is the field to add unless the app has its own."""
        if self.started:
            raise ResponseError("the response was started twice")
        parts = [STATUS_LINES[status]]
        for name, value in fields:
            lower = name.lower()
            if lower in SPECIAL:
                if lower == b"date":
                    date = b""
                elif not self._is_kept(lower, value):
                    continue
            parts += (name, b": ", value, b"\r\n")
        head = b"".join(parts)
        lines = (len(parts) + 3) // 4
        # A CR, LF or NUL inside a field would let whoever wrote it write lines of the head.
        if head.count(LF) != lines or head.count(CR) != lines or NUL in head:
            raise ResponseError("a header field holds a line end or a NUL")
        self._head = head + date
        self._bodiless = self._bodiless or status in BODILESS
        self.started = True

    def _is_kept(self, name: bytes, value: bytes) -> bool:
        if name == b"content-length":
            self._left = int(value)
            return True
        if name == b"connection" and b"close" in value.lower():
            self.keep_alive = False
        return False

    def piece(self, body: bytes, *, more: bool) -> list[bytes]:
        """What is to be written for a piece of the body. Raises `ResponseError`."""
        if not self.started or self.complete:
            raise ResponseError("a body was sent " + ("after its end" if self.complete else "before the start"))
        begin = b"" if self.visible else self._end_head(len(body), more=more)
        if self._bodiless:
            body = b""
        elif self._chunked:
            body = _chunk(body, more=more)
        elif self._left is not None:
            self._count(len(body), more=more)
        self.visible, self.complete = True, not more
        if len(body) > ONE_PIECE:
            return [begin, body] if begin else [body]
        return [begin + body] if begin or body else []

    def _end_head(self, length: int, *, more: bool) -> bytes:
        framing = b""
        if self._left is None and not self._bodiless:
            if not more:
                self._left = length
                framing = b"content-length: %d\r\n" % length
            elif self._version == "1.1":
                self._chunked = True
                framing = b"transfer-encoding: chunked\r\n"
            else:
                self.keep_alive = False  # HTTP/1.0 reads until the close
        return self._head + framing + (b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")

    def _count(self, length: int, *, more: bool) -> None:
        assert self._left is not None
        self._left -= length
        if self._left < 0 or (self._left and not more):
            raise ResponseError("the body isn't as long as its Content-Length says")


def _chunk(body: bytes, *, more: bool) -> bytes:
    if not body:
        return b"" if more else b"0\r\n\r\n"
    return b"%x\r\n%b\r\n" % (len(body), body) if more else b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
