"""Free ports, and waiting until somebody answers on one."""

import contextlib
import http.client
import socket
import ssl
import time
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from headrace.bench.process import Running
from headrace.errors import OperationError

PATIENCE = 20.0  # seconds until what was started must have answered
PAUSE = 0.05


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def until_answered(url: str, process: Running, *, bodies: int = 1, post: bytes = b"") -> None:
    """Returns when `GET url` was answered with 200, and with so many different bodies; with `post` it is posted.

    Raises `OperationError` when the process ends or takes too long.
    """
    deadline = time.monotonic() + PATIENCE
    seen: set[bytes] = set()
    status: int | str = "nothing yet"
    while len(seen) < bodies:
        process.check()
        if time.monotonic() > deadline:
            raise OperationError(f"{process.name} did not answer on {url} within {PATIENCE:g} s: {status}")
        status, body = ask(url, post)
        if status == 200:
            seen.add(body)
        if len(seen) < bodies:
            time.sleep(PAUSE)


def until_open(port: int, process: Running) -> None:
    """Returns when `port` takes connections. Raises `OperationError` when the process ends or takes too long."""
    deadline = time.monotonic() + PATIENCE
    while True:
        process.check()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError as error:
            if time.monotonic() > deadline:
                raise OperationError(f"{process.name} did not listen within {PATIENCE:g} s: {error}") from error
            time.sleep(PAUSE)
        else:
            return


def ask(url: str, post: bytes = b"") -> tuple[int | str, bytes]:
    """The status and body of one GET, or of one POST where there is something to post; or what went wrong."""
    try:
        with connection(url) as opened:
            opened.request("POST" if post else "GET", urlsplit(url).path or "/", post or None)
            response = opened.getresponse()
            return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__, b""


def connection(url: str) -> AbstractContextManager[http.client.HTTPConnection]:
    """One to the host of `url`, that is kept from request to request and closed at the end of the `with` block."""
    return contextlib.closing(_connection(url))


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    # Peers show a certificate that was made for this run; what is measured is not whom they trust.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=5, context=context)
