"""Posts one batch until it is acknowledged or given up."""

import os
import random
import ssl
import threading
import time
from pathlib import Path
from typing import Final

import httpx

from headrace.errors import OperationError, UsageError
from headrace.ingest.posting import Next, Post, compressor, follow, pause, post

TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0)
LIKE: Final = "like https://127.0.0.1:7000"


class NotIngestedError(OperationError):
    """Payloads were refused, or not acknowledged in time; `payloads` are they, as JSON."""

    def __init__(self, message: str, payloads: list[bytes]) -> None:
        super().__init__(message)
        self.payloads = payloads

    @classmethod
    def of(cls, errors: "list[NotIngestedError]") -> "NotIngestedError":
        """Several as one."""
        return cls(errors[0].message, [payload for error in errors for payload in error.payloads])


class Poster:
    """One connection to `headrace ingest`, for one thread.

    `compress` is `gzip`, `zstd` or None; a batch is given up after `patience` seconds, or when `leaving` is set.
    Raises `UsageError` for what can't be used.
    """

    def __init__(
        self, url: str, *, token: str, version: str, compress: str | None, patience: float, ca: str | Path | None
    ) -> None:
        if compress:
            compressor(compress)
        self.url = url
        self.leaving = threading.Event()
        self._token = token
        self._version = version
        self._compress = compress
        self._patience = patience
        self._http = httpx.Client(verify=_trust(ca) if url.startswith("https:") else True, timeout=TIMEOUT)

    def deliver(self, payloads: list[bytes]) -> None:
        """Returns once all are acknowledged. Raises `NotIngestedError` for those that aren't and won't be."""
        request = post(payloads, version=self._version, token=self._token, encode=self._compress)
        deadline = time.monotonic() + self._patience
        words, step, attempt = "the client was closed before", Next.AGAIN, 0
        while step is Next.AGAIN and not self.leaving.is_set():
            attempt += 1
            status, words, retry_after = self._attempt(request)
            step = follow(status, len(payloads))
            if step is Next.AGAIN:
                seconds = pause(attempt, retry_after, random.random())  # noqa: S311 - keeps clients apart, no secret
                if time.monotonic() + seconds > deadline:
                    break
                self.leaving.wait(seconds)
        if step is Next.SPLIT:
            self._deliver_halves(payloads)
        elif step is not Next.DONE:
            raise NotIngestedError(f"{self.url} did not take {len(payloads)} payloads: {words}", payloads)

    def close(self) -> None:
        """Lets go of the connection."""
        self._http.close()

    def _deliver_halves(self, payloads: list[bytes]) -> None:
        middle = len(payloads) // 2
        failed = []
        for half in (payloads[:middle], payloads[middle:]):
            try:
                self.deliver(half)
            except NotIngestedError as error:  # noqa: PERF203 - one half's failure isn't the other's
                failed.append(error)
        if failed:
            raise NotIngestedError.of(failed)

    def _attempt(self, request: Post) -> tuple[int, str, str | None]:
        """The status (0: none), what was said, and when to come again."""
        try:
            response = self._http.post(self.url, content=request.body, headers=request.headers)
        except httpx.TransportError as error:
            return 0, str(error) or type(error).__name__, None
        return response.status_code, _words(response), response.headers.get("Retry-After")


def endpoint(url: str, stream: str) -> str:
    """Where the payloads of a stream are posted. Raises `UsageError`.

    Example: `endpoint("https://127.0.0.1:7000", "orders") == "https://127.0.0.1:7000/orders"`.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UsageError(f"{url} is not a URL: {error}", hint=LIKE) from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError(f"{url} is not a URL of headrace ingest", hint=LIKE)
    path = "/".join(part.strip("/") for part in (parsed.path, stream) if part.strip("/"))
    return str(parsed.copy_with(path=f"/{path}"))


def _trust(ca: str | Path | None) -> ssl.SSLContext:
    """The given authority alone; without one those of the system, and the local one of this machine."""
    local = Path(os.environ.get("HEADRACE_HOME") or "~/.headrace").expanduser() / "certs" / "ca.pem"
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
        if ca is None and local.is_file():
            context.load_verify_locations(cafile=str(local))
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"cannot read the authority {ca or local}: {error}") from error
    return context


def _words(response: httpx.Response) -> str:
    try:
        return f"{response.status_code}, {response.json()['message']}"
    except (ValueError, KeyError, TypeError):
        return f"{response.status_code} {response.reason_phrase}"
