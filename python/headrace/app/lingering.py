"""The end of a connection whose client may still be sending: what was said last must reach it.

A close on bytes that were not read resets the connection, and the reset may overtake the answer (RFC 9112, 9.6). So our
half is closed first, and what still comes is read and dropped, for a while.
"""

import asyncio
from typing import Any, Final

LINGER_SECONDS: Final = 5.0
LINGER_BYTES: Final = 1 << 20  # the balancer is as patient


def linger(transport: asyncio.Transport, connections: set[Any]) -> None:
    """Closes our half behind what was written, and the rest once the client has gone or had its time.

    What lingers is among `connections`, uvicorn's set of what is open.
    Example: `transport.write(refusal); linger(transport, server_state.connections)`.
    """
    if not transport.is_closing():
        lingering = Lingering(transport, connections)
        connections.add(lingering)
        transport.set_protocol(lingering)
        transport.write_eof()


class Lingering(asyncio.Protocol):
    """Reads and drops."""

    def __init__(self, transport: asyncio.Transport, connections: set[Any]) -> None:
        self._transport = transport
        self._connections = connections
        self._left = LINGER_BYTES
        self._deadline = asyncio.get_running_loop().time() + LINGER_SECONDS

    # asyncio's calls

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forgets the client."""
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Drops it; nobody sends that much by mistake."""
        self._left -= len(data)
        if self._left < 0:
            self._transport.close()

    # The server's calls

    def shutdown(self) -> None:
        """Ends; nothing is being answered."""
        self._transport.close()

    def sweep(self, now: float) -> None:
        """Ends when it has taken too long."""
        if now >= self._deadline:
            self._transport.close()
