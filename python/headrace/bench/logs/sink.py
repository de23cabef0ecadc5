"""A collector that keeps nothing: it answers every request with 204, after so many seconds. For the bench alone."""

import asyncio
import contextlib
import sys


async def serve(port: int, delay: float) -> None:
    """Serves on `port` of this machine until the process ends."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readexactly(await _length(reader))
                await asyncio.sleep(delay)
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    await server.serve_forever()


async def _length(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, named, rest = head.partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0]) if named else 0


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
