"""TLS for a worker's connections: what asyncio does with `ssl`, by the core's `TlsSession`, cheaper.

A connection begins as a `Handshake`; once that is over, a `SecureTransport` takes its place between the socket's
transport and the protocol that speaks through it. Each read and each write is one call of the core.

Invariants
- nothing waits here: what comes in is handed on decrypted in the same call, what is written is handed on encrypted,
  so that flow control is that of the socket's transport, passed on as it is;
- an orderly close announces itself (close_notify), `abort` doesn't; a client that ends without announcing it is
  reported as an error, because what it sent last may be missing.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

from headrace._core import Tls, TlsError, TlsSession
from headrace.app.lingering import linger

HANDSHAKE_SECONDS: Final = 30.0
PLAIN_HTTP: Final = b"This port speaks TLS: ask with https:// in place of http://\n"
PLAIN_REFUSED: Final = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
    % (len(PLAIN_HTTP), PLAIN_HTTP)
)

logger = logging.getLogger(__name__)


class Handshake(asyncio.Protocol):
    """A connection until it is known to be a TLS client's; then the protocol that `make` gives has it.

    It is among `connections`, uvicorn's set of what is open, as long as it lasts.

    Example: `create_server(lambda: Handshake(Tls([("cert.pem", "key.pem")]), Connection, set()), sock=listener)`.
    """

    def __init__(self, tls: Tls, make: Callable[[], asyncio.Protocol], connections: set[Any]) -> None:
        self._session = TlsSession(tls)
        self._make = make
        self._connections = connections
        self._begun = False

    # asyncio's calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Gives the client its time."""
        self._transport = transport
        self._deadline = asyncio.get_running_loop().time() + HANDSHAKE_SECONDS
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forgets the client, which has gone or was sent away."""
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """One step on, or the last one."""
        if not self._begun and data[:1].isupper():  # a method; a record of TLS begins with its type, which is no letter
            self._refuse(PLAIN_REFUSED, "was plain HTTP")
            return
        self._begun = True
        try:
            plaintext, reply, ended = self._session.receive(data)
        except TlsError as error:
            self._refuse(self._session.close(), str(error))
            return
        if reply:
            self._transport.write(reply)
        if not self._session.handshaking:
            self._secured(plaintext, ended=ended)
        elif ended:
            self._end("was given up by the client")

    # The server's calls

    def shutdown(self) -> None:
        """Ends; nothing was asked yet."""
        self._transport.close()

    def sweep(self, now: float) -> None:
        """Ends when it has taken too long."""
        if now >= self._deadline:
            self._end("took too long")

    # Its own

    def _secured(self, plaintext: bytes, *, ended: bool) -> None:
        self._connections.discard(self)
        secure = SecureTransport(self._transport, self._session, self._make())
        self._transport.set_protocol(secure)
        secure.begin(plaintext, ended=ended)

    def _refuse(self, answer: bytes, why: str) -> None:
        self._note(why)
        self._transport.write(answer)
        self._connections.discard(self)
        linger(self._transport, self._connections)

    def _end(self, why: str) -> None:
        self._note(why)
        self._transport.close()

    def _note(self, why: str) -> None:
        logger.debug("the handshake with %s %s", self._transport.get_extra_info("peername"), why)


class SecureTransport(asyncio.Protocol, asyncio.Transport):
    """What lies between the socket's transport and `protocol`: to the one a protocol, to the other a transport."""

    def __init__(self, transport: asyncio.Transport, session: TlsSession, protocol: asyncio.BaseProtocol) -> None:
        self._transport = transport
        self._session = session
        # The calls of each request, looked up once. They are called by local names: Python doesn't speed up the call of
        # what an object holds and its class doesn't.
        self._decrypt, self._encrypt = session.receive, session.send
        self._send = transport.write
        self._closing = False
        self._failure: Exception | None = None
        self.set_protocol(protocol)

    def begin(self, plaintext: bytes, *, ended: bool) -> None:
        """Introduces itself, with what came right behind the handshake."""
        self._protocol.connection_made(self)
        self._deliver(plaintext, ended=ended)

    # What the socket's transport calls

    def data_received(self, data: bytes) -> None:
        """Hands on what is in it."""
        decrypt, receive = self._decrypt, self._receive
        try:
            plaintext, reply, ended = decrypt(data)
        except TlsError as error:
            self._fail(error)
            return
        if reply:
            self._send(reply)
        if ended:
            self._deliver(plaintext, ended=True)
        elif plaintext:
            receive(plaintext)

    def eof_received(self) -> None:
        """Whoever ends without saying so may have been cut off; the transport closes itself."""
        self._failure = ConnectionAbortedError("the client ended without close_notify")

    def connection_lost(self, exc: Exception | None) -> None:
        """Passes it on."""
        self._closing = True
        self._protocol.connection_lost(exc or self._failure)

    def pause_writing(self) -> None:
        """Passes it on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Passes it on."""
        self._protocol.resume_writing()

    # What the protocol calls

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypts and sends; nothing after `close`."""
        if not self._closing:
            encrypt, send = self._encrypt, self._send
            send(encrypt(data if type(data) is bytes else bytes(data)))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """All of it in as few records as hold it."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """Announces the end behind what was written; what the client still says is handed on."""
        if not self._closing:
            self._closing = True
            self._send(self._session.close())
            self._transport.write_eof()

    def close(self) -> None:
        """Announces the end and closes behind what was written."""
        if not self._closing:
            self._closing = True
            self._send(self._session.close())
        self._transport.close()

    def abort(self) -> None:
        """Ends at once, and shows it: nothing is announced."""
        self._closing = True
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self._closing or self._transport.is_closing()

    def can_write_eof(self) -> bool:
        """One direction can be closed alone (RFC 8446, 6.1)."""
        return True

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """From now on `protocol` is called."""
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol
        self._receive = protocol.data_received

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who is called."""
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's signature
        """What the socket's transport knows; by `sslcontext` protocols tell that this is TLS, so there is something."""
        return self._session if name == "sslcontext" else self._transport.get_extra_info(name, default)

    def is_reading(self) -> bool:
        """Of the socket's transport, as all that follow: nothing is held here."""
        return self._transport.is_reading()

    def pause_reading(self) -> None:
        """Lets the client wait."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Goes on."""
        self._transport.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Bytes of ciphertext at which writing is paused and resumed."""
        self._transport.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The limits, low and high."""
        return self._transport.get_write_buffer_limits()

    def get_write_buffer_size(self) -> int:
        """Bytes of ciphertext that wait."""
        return self._transport.get_write_buffer_size()

    def _deliver(self, plaintext: bytes, *, ended: bool) -> None:
        if plaintext:
            self._receive(plaintext)
        if ended:
            self._protocol.eof_received()
            self.close()

    def _fail(self, error: TlsError) -> None:
        logger.debug("%s: %s", self.get_extra_info("peername"), error)
        self._failure = ConnectionAbortedError(f"TLS failed: {error}")
        self.close()
