"""A small app server whose readiness and answers are the test's."""

import asyncio
import ssl
from contextlib import asynccontextmanager


class AppServer:
    """Answers `/ping` with `ping`, anything else with its name; `/slow` only once `release` is set."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ping = 200
        self.release = asyncio.Event()
        self.seen: list[str] = []
        self.slow = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Vanish as a killed process does."""
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(head.split(b" ")[1].decode(), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        status = 200
        if path == "/ping":
            status = self.ping
        else:
            self.seen.append(path)
        if path == "/slow":
            self.slow += 1
            await self.release.wait()
            self.slow -= 1
        body = self.name.encode()
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
        await writer.drain()


@asynccontextmanager
async def app_server(name: str, *, port: int = 0, tls: ssl.SSLContext | None = None):
    server = AppServer(name)
    await server.start(port, tls)
    try:
        yield server
    finally:
        server.release.set()
        await server.stop()
