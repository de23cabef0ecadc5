"""What a WSGI app is told of a request: its environ, and its body as a file that may still be arriving."""

import asyncio
import functools
import io
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from headrace.app.asgi import Receive, Scope

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

READ_AHEAD: Final = 65536
PLAIN_NAMES: Final = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}
# HTTP_PROXY would look like a setting, and a transfer coding has been undone by the time the app reads.
NOT_TOLD: Final = frozenset({b"proxy", b"transfer-encoding"})
Environ = dict[str, Any]


class ClientGoneError(OSError):
    """Nobody waits for the response any more."""


class Body(io.RawIOBase):
    """A request's body, read in a thread while it arrives in the event loop."""

    def __init__(self, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        self.ended = False
        self._receive = receive
        self._loop = loop
        self._chunks: deque[bytes] = deque()

    async def prefetch(self) -> None:
        """Takes what is there; called in the event loop, before the thread."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        if body := message.get("body", b""):
            self._chunks.append(body)
        self.ended = not message.get("more_body", False)

    async def gone(self) -> None:
        """Returns when the client has gone, or was answered."""
        await self._receive()

    def stream(self) -> io.BufferedIOBase:
        """The body as `wsgi.input` has to be: reads wait for as much as was asked."""
        return io.BytesIO(b"".join(self._chunks)) if self.ended else io.BufferedReader(self, READ_AHEAD)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fills `buffer` with what comes next; 0 at the end. Raises `ClientGoneError`."""
        while not self._chunks and not self.ended:
            asyncio.run_coroutine_threadsafe(self.prefetch(), self._loop).result()
        if not self._chunks:
            return 0
        chunk, room = self._chunks.popleft(), memoryview(buffer).cast("B")
        count = min(len(chunk), len(room))
        room[:count] = chunk[:count]
        if count < len(chunk):
            self._chunks.appendleft(chunk[count:])
        return count


def environment(scope: Scope, body: io.BufferedIOBase) -> Environ:
    """PEP 3333's environ for an ASGI scope."""
    host, port = scope["server"] or ("localhost", None)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "REQUEST_URI": _target(scope),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 0),
        "SERVER_SOFTWARE": "headrace",
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body,
        "wsgi.input_terminated": True,  # it ends by itself, so a chunked body can be read to its end
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if scope["client"] is not None:
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = scope["client"][0], str(scope["client"][1])
    _add_fields(environ, scope["headers"])
    return environ


def _target(scope: Scope) -> str:
    target: bytes = scope["raw_path"]
    if scope["query_string"]:
        target += b"?" + scope["query_string"]
    return target.decode("latin-1")


def _add_fields(environ: Environ, fields: list[tuple[bytes, bytes]]) -> None:
    for name, value in fields:
        key = _key(name)
        if not key:
            continue
        text = value.decode("latin-1")
        if key in environ:
            text = f"{environ[key]}{'; ' if name == b'cookie' else ','}{text}"
        environ[key] = text


@functools.lru_cache(maxsize=1024)
def _key(name: bytes) -> str:
    """What a field is called in the environ; empty when it isn't told."""
    # An underscore would look like the hyphen of another field here.
    if b"_" in name or name in NOT_TOLD:
        return ""
    return PLAIN_NAMES.get(name) or "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
