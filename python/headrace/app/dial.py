"""Blocking HTTP/1.1 connections that are kept: to the balancer's admin port, and to the worker's own socket."""

import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from headrace.app.place import Place
from headrace.errors import UsageError


@dataclass(frozen=True)
class Reply:
    """A whole response."""

    status: int
    body: bytes

    def told(self, key: str) -> str:
        """What a balancer says under `key`; empty when it isn't a balancer who answers."""
        try:
            return str(json.loads(self.body)[key])
        except (ValueError, KeyError, TypeError):
            return ""


class Dial:
    """A connection that is opened when it is needed and again when the other side has closed it.

    Example: `Dial.to_url("https://127.0.0.1:2001", ca).ask("GET", "/healthz", timeout=3.0)`.
    """

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    @classmethod
    def to_url(cls, url: str, ca: str) -> "Dial":
        """Verifies the other side by the authority in `ca`. Raises `UsageError` for what is no URL."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{url} is not the URL of an admin port", hint="write https://127.0.0.1:2001")
        if parts.scheme == "http":
            return cls(http.client.HTTPConnection(parts.hostname, parts.port or 80))
        return cls(http.client.HTTPSConnection(parts.hostname, parts.port or 443, context=trusting(ca)))

    @classmethod
    def to_place(cls, place: Place, ca: str | None) -> "Dial":
        """The way the balancer comes in; `ca` is needed where the place speaks TLS."""
        if place.path is not None:
            return cls(_UnixConnection(str(place.path)))
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(place.host, place.host)  # noqa: S104 - asked of, not bound
        if not place.tls:
            return cls(http.client.HTTPConnection(host, place.port))
        assert ca is not None
        return cls(http.client.HTTPSConnection(host, place.port, context=trusting(ca)))

    def ask(
        self, method: str, target: str, *, timeout: float, token: str | None = None, body: bytes | None = None
    ) -> Reply:
        """Asks, a second time where the kept connection turns out to be closed.

        Only what may be asked twice is asked here. Raises `OSError` or `http.client.HTTPException`.
        """
        kept = self._connection.sock is not None
        try:
            return self._ask(method, target, timeout, token, body)
        except (ConnectionError, http.client.HTTPException):
            if not kept:
                raise
            return self._ask(method, target, timeout, token, body)

    def close(self) -> None:
        """Closes the connection; the next `ask` opens another."""
        self._connection.close()

    def _ask(self, method: str, target: str, timeout: float, token: str | None, body: bytes | None) -> Reply:
        self._connection.timeout = timeout
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            self._connection.request(method, target, body, headers)
            response = self._connection.getresponse()
            return Reply(response.status, response.read())
        except BaseException:
            self._connection.close()
            raise


class _UnixConnection(http.client.HTTPConnection):
    """Speaks through a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Opens it."""
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            opened.settimeout(self.timeout)
            opened.connect(self._path)
        except BaseException:
            opened.close()
            raise
        self.sock = opened


def trusting(ca: str) -> ssl.SSLContext:
    """Believes the authority in the PEM file `ca`, and nobody else. Raises `UsageError` for a file that is none."""
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"cannot read the authority's certificate {ca}: {reason}", hint="name its ca.pem by --ca"
        ) from error


def words(error: Exception) -> str:
    """Why a call failed, for people."""
    if isinstance(error, TimeoutError):
        return "it doesn't answer"
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return ((error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__).lower()
