"""Clients that crawl: what they say, how slowly, and how long until somebody cuts them."""

import asyncio
import contextlib
import errno
import socket
import time

LARGE = 10_000_000
# A rule's time is made short, so that the test is; the rules themselves are the default ones.
RULES = dict.fromkeys(("header_timeout", "body_idle_timeout", "body_grace", "write_idle_timeout"), "4s")

FIRST = {
    "heads": b"GET / HTTP/1.1\r\nHost: a\r\n",
    "bodies": b"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
    "readers": b"GET /download?size=%d HTTP/1.1\r\nHost: a\r\n\r\n" % LARGE,
}
DRIP = {"heads": b"Name: value\r\n", "bodies": b"a few bytes", "readers": b""}


async def connect(port: int) -> socket.socket:
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    # Segments as on the Internet: with the loopback's 64 KiB ones the kernel would buffer a megabyte for each.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    return connection


async def crawl(connection: socket.socket, drip: bytes, end: float) -> bool:
    """Sends `drip` each second until `end` or an answer; whether the balancer ended the connection."""
    loop = asyncio.get_running_loop()
    answer = asyncio.create_task(loop.sock_recv(connection, 4096))
    with contextlib.suppress(ConnectionError):  # of a drip: its reason is in the answer too
        while time.monotonic() < end and not (await asyncio.wait([answer], timeout=1))[0]:
            await loop.sock_sendall(connection, drip)
    await asyncio.wait([answer], timeout=0.1)
    ended = answer.done()
    answer.cancel()
    await asyncio.gather(answer, return_exceptions=True)
    return ended


async def dawdle(connection: socket.socket, end: float) -> bool:
    """Reads nothing; whether the balancer reset the connection by `end`."""
    while not (reset := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    return reset == errno.ECONNRESET
