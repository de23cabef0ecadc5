"""An HTTP/2 client for polite and impolite use.

`h2` keeps the connection's state; `frames` sends what it would refuse to send. Outbound checks are off, because the
requests that must be refused are the point.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from hpack import Encoder

from .wire import PATIENCE, Fields, connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperframe.frame import Frame, GoAwayFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@dataclass
class Reply:
    """What came back on one stream."""

    fields: Fields = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    trailers: Fields = field(default_factory=list)
    interim: list[Fields] = field(default_factory=list)
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(self["status"])

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    def __getitem__(self, name: str) -> str:
        (value,) = self.all(":status" if name == "status" else name)
        return value

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.fields)

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None


class Connection(h2.connection.H2Connection):
    """For `h2` GOAWAY is the end; for the protocol the streams before it may still be answered."""

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[h2.events.Event]]:
        received = super()._receive_goaway_frame(frame)
        self.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
        return received


class Http2Client:
    """A connection; streams are numbered as in the protocol and answered in `replies`.

    With `reading=False` flow control is left closed: nothing that arrives is acknowledged until `acknowledge`.
    """

    def __init__(
        self, address: str, tls: ssl.SSLContext, *, reading: bool = True, server_name: str = "localhost"
    ) -> None:
        sock = connect(address)
        sock.settimeout(PATIENCE)
        self.sock = tls.wrap_socket(sock, server_hostname=server_name, suppress_ragged_eofs=True)
        assert self.sock.selected_alpn_protocol() == "h2"
        self.replies: dict[int, Reply] = defaultdict(Reply)
        self.goaway: int | None = None
        self.closed = False
        self.pongs = 0
        self._reading = reading
        self.h2 = Connection(
            h2.config.H2Configuration(
                validate_outbound_headers=False, normalize_outbound_headers=False, header_encoding="latin-1"
            )
        )
        self.h2.initiate_connection()
        self.flush()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.close()

    def flush(self) -> None:
        try:
            self.sock.sendall(self.h2.data_to_send())
        except OSError:
            self.closed = True

    def raw(self, data: bytes) -> None:
        """Sends bytes past the state machine."""
        try:
            self.sock.sendall(data)
        except OSError:
            self.closed = True

    def frames(self, *frames: Frame) -> None:
        self.raw(b"".join(frame.serialize() for frame in frames))

    def start(self, fields: Fields, *, end: bool = True) -> int:
        """Sends a head and returns its stream."""
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, encoded(fields), end_stream=end)
        self.flush()
        return stream

    def expect_stream(self) -> None:
        """Enters the next stream into the books only; the test sends its frames."""
        self.h2.send_headers(self.h2.get_next_available_stream_id(), encoded(head()))
        self.h2.clear_outbound_data_buffer()

    def data(self, stream: int, body: bytes, *, end: bool = False) -> None:
        """Sends a body, waiting for windows as it must."""
        while body:
            self.until(lambda: self.h2.local_flow_control_window(stream) > 0)
            size = min(len(body), self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            self.h2.send_data(stream, body[:size])
            self.flush()
            body = body[size:]
        if end:
            self.h2.end_stream(stream)
            self.flush()

    def trailers(self, stream: int, fields: Fields) -> None:
        self.h2.send_headers(stream, encoded(fields), end_stream=True)
        self.flush()

    def exchange(self, fields: Fields, body: bytes = b"") -> Reply:
        stream = self.start(fields, end=not body)
        if body:
            self.data(stream, body, end=True)
        return self.response(stream)

    def get(self, path: str = "/", *fields: tuple[str, str]) -> Reply:
        return self.exchange(head("GET", path, *fields))

    def response(self, stream: int) -> Reply:
        """The whole reply of a stream, or what there is of it when it was reset or the connection ended."""
        self.until(lambda: self.replies[stream].over or self.closed)
        return self.replies[stream]

    def started(self, stream: int) -> Reply:
        """The reply as soon as its head is there."""
        self.until(lambda: self.replies[stream].fields or self.replies[stream].over or self.closed)
        return self.replies[stream]

    def reset(self, stream: int, code: int = 8) -> None:
        self.h2.reset_stream(stream, code)
        self.flush()

    def acknowledge(self, stream: int, size: int) -> None:
        self.h2.acknowledge_received_data(size, stream)
        self.flush()

    def ends(self, within: float = PATIENCE) -> bool:
        """Whether the balancer says GOAWAY or closes."""
        with contextlib.suppress(TimeoutError):
            self.until(lambda: self.closed or self.goaway is not None, within)
        return self.closed or self.goaway is not None

    def until(self, condition: Callable[[], object], within: float = PATIENCE) -> None:
        """Reads and handles events until `condition`; raises `TimeoutError`."""
        deadline = time.monotonic() + within
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.pump(left)

    def pump(self, within: float) -> None:
        """Reads once, waiting up to `within`."""
        if self.closed:
            raise TimeoutError
        data = received(self.sock, within)
        self.closed |= data == b""
        if not data:
            return
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            raise AssertionError(f"the balancer broke HTTP/2: {error!r}") from error
        for event in events:
            self._handle(event)
        self.flush()

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.InformationalResponseReceived():
                self.replies[event.stream_id].interim.append(event.headers)
            case h2.events.ResponseReceived():
                self.replies[event.stream_id].fields = event.headers
            case h2.events.DataReceived():
                self.replies[event.stream_id].body += event.data
                if self._reading:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.TrailersReceived():
                self.replies[event.stream_id].trailers = event.headers
            case h2.events.StreamEnded():
                self.replies[event.stream_id].ended = True
            case h2.events.StreamReset():
                self.replies[event.stream_id].reset = event.error_code
            case h2.events.ConnectionTerminated():
                self.goaway = event.error_code
            case h2.events.PingAckReceived():
                self.pongs += 1


class RawHttp2:
    """A connection past its settings on which every byte is the test's own; for floods."""

    def __init__(self, address: str, tls: ssl.SSLContext) -> None:
        self.sock = tls.wrap_socket(connect(address), server_hostname="localhost")
        self.sock.settimeout(PATIENCE)
        self.hpack = Encoder()
        self.sock.sendall(PREFACE + b"\0\0\0\4\0\0\0\0\0")

    def close(self) -> None:
        self.sock.close()

    def ends_under(self, burst: Callable[[int], bytes], within: float = PATIENCE) -> bool:
        """Sends `burst(0)`, `burst(1)`, ... until the connection is ended or time is up; reads along the way."""
        deadline = time.monotonic() + within
        count = 0
        while time.monotonic() < deadline:
            try:
                self.sock.sendall(burst(count))
                if self._ended():
                    return True
            except (ConnectionError, ssl.SSLError):
                return True
            count += 1
        return False

    def _ended(self) -> bool:
        """Drains what came; True at the end of the connection."""
        self.sock.settimeout(0.001)
        try:
            while data := self.sock.recv(65536):
                if is_goaway(data):
                    return True
        except (TimeoutError, ssl.SSLWantReadError):
            return False
        finally:
            with contextlib.suppress(OSError):
                self.sock.settimeout(PATIENCE)
        return True


def received(sock: ssl.SSLSocket, within: float) -> bytes | None:
    """What comes within that time: None for nothing, b"" at the connection's end."""
    sock.settimeout(within)
    try:
        return sock.recv(65536)
    except (TimeoutError, ssl.SSLWantReadError):
        return None
    except OSError:
        return b""
    finally:
        sock.settimeout(PATIENCE)


def is_goaway(data: bytes) -> bool:
    """Whether the frames in `data` (which begins at a frame) hold a GOAWAY."""
    while len(data) >= 9:
        if data[3] == 7:
            return True
        data = data[9 + int.from_bytes(data[:3], "big") :]
    return False


def head(method: str = "GET", path: str = "/", *fields: tuple[str, str], authority: str = "app.test") -> Fields:
    return [(":method", method), (":scheme", "https"), (":authority", authority), (":path", path), *fields]


def encoded(fields: Fields) -> list[tuple[bytes, bytes]]:
    """Bytes, so that obs-text goes out as it is and not as UTF-8."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
