"""HTTP/2 as frames: what is sent is exactly what goes out, what comes back is kept frame by frame.

Unlike `http2.Http2Client` nothing here knows what may be said when; it is for tests of what happens to clients that do
not know either.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, NamedTuple

from hpack import Decoder, Encoder

from .http2 import PREFACE, head, received
from .wire import PATIENCE, connect

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 1
END_HEADERS, PADDED, WITH_PRIORITY = 4, 8, 32

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED = range(6)
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = range(6, 10)

GET = Encoder().encode(head())
POST = Encoder().encode(head("POST"))
"""Blocks without a reference to what a connection said before; good on any connection as its first."""


def frame(kind: int, stream: int, payload: bytes = b"", *, flags: int = 0, length: int | None = None) -> bytes:
    """A frame; `length` is what it claims to be long."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def setting(number: int, value: int) -> bytes:
    return frame(SETTINGS, 0, number.to_bytes(2, "big") + value.to_bytes(4, "big"))


def number(value: int) -> bytes:
    """A payload of one 32-bit number: an error code, an increment."""
    return value.to_bytes(4, "big")


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error code of a RST_STREAM or GOAWAY."""
        return int.from_bytes(self.payload[-4:] if self.kind == RST_STREAM else self.payload[4:8], "big")


class FrameClient:
    """A connection over TLS; `said` is what it says first."""

    def __init__(self, address: str, tls: ssl.SSLContext, said: bytes = PREFACE + frame(SETTINGS, 0)) -> None:
        self.sock = tls.wrap_socket(connect(address), server_hostname="localhost", suppress_ragged_eofs=True)
        self.frames: list[Frame] = []
        self.closed = False
        self._buffer = bytearray()
        self._decoder = Decoder()
        self.send(said)

    def close(self) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except OSError:
            self.closed = True

    def all(self, kind: int, stream: int | None = None) -> list[Frame]:
        return [frame for frame in self.frames if frame.kind == kind and stream in {None, frame.stream}]

    def first(self, kind: int, stream: int | None = None, within: float = PATIENCE) -> Frame:
        """The first frame of that kind, waited for; raises `TimeoutError`, `EOFError` at the connection's end."""
        self.until(lambda: self.all(kind, stream) or self.closed, within)
        if not (found := self.all(kind, stream)):
            raise EOFError(self.frames)
        return found[0]

    def status(self, stream: int) -> int:
        """Of the first final response on a connection."""
        fields = self._decoder.decode(self.first(HEADERS, stream).payload)
        return int(dict(fields)[":status"])

    def body(self, stream: int) -> bytes:
        return b"".join(frame.payload for frame in self.all(DATA, stream))

    def until(self, condition: Callable[[], object], within: float = PATIENCE) -> None:
        """Reads until `condition`; raises `TimeoutError`."""
        deadline = time.monotonic() + within
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0 or self.closed:
                raise TimeoutError(self.frames)
            self._pump(left)

    def drain(self) -> list[Frame]:
        """All that came up to the answer to a ping, or up to the end of the connection."""
        opaque = b"%08d" % len(self.frames)
        self.send(frame(PING, 0, opaque))
        with contextlib.suppress(TimeoutError):
            self.until(lambda: any(seen.payload == opaque for seen in self.all(PING)))
        return self.frames

    def _pump(self, within: float) -> None:
        data = received(self.sock, within)
        self.closed |= data == b""
        self._buffer += data or b""
        while len(self._buffer) >= 9 and len(self._buffer) >= (length := 9 + int.from_bytes(self._buffer[:3], "big")):
            kind, flags, stream = self._buffer[3], self._buffer[4], int.from_bytes(self._buffer[5:9], "big")
            self.frames.append(Frame(kind, flags, stream, bytes(self._buffer[9:length])))
            del self._buffer[:length]
