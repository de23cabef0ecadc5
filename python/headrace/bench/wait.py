"""Free ports, and waiting until somebody answers on one."""

import http.client
import socket
import ssl
import time
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


def until_answered(url: str, process: Running) -> None:
    """Returns when `GET url` is answered with 200. Raises `OperationError` when the process ends or takes too long."""
    deadline = time.monotonic() + PATIENCE
    while (status := _status(url)) != 200:
        process.check()
        if time.monotonic() > deadline:
            raise OperationError(f"{process.name} did not answer on {url} within {PATIENCE:g} s: {status}")
        time.sleep(PAUSE)


def _status(url: str) -> int | str:
    """The status of one GET, or what went wrong."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    if parts.scheme == "https":
        # Peers show a certificate that was made for this run; what is measured is not whom they trust.
        context = ssl._create_unverified_context()  # noqa: S323, SLF001
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=5, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
