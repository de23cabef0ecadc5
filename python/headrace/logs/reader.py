"""Reads what was logged: searches the collector's files, and follows what is written to them."""

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from headrace.errors import OperationError, UsageError
from headrace.logs.destination import Destination

Entry = Mapping[str, Any]

PAGE: Final = 1000  # entries asked for at a time
PATIENCE: Final = 60.0  # seconds for an answer; the collector gives a sign of life more often
CONNECT_PATIENCE: Final = 5.0  # seconds
BACK_OFF: Final = (0.2, 0.5, 1.0, 2.0)  # seconds between attempts to connect again, the last one from then on


@dataclass(frozen=True)
class Wanted:
    """Which entries; what is empty or None doesn't matter.

    `since` and `until` are times (RFC 3339, or a number since 1970) or how long ago (`90s`, `5m`, `1h`, `2d`); `level`
    is the lowest one; `text` is part of the message or of the further fields.
    """

    text: str = ""
    any_case: bool = False
    level: str | None = None
    source: str | None = None
    request_id: str | None = None
    since: str | None = None
    until: str | None = None

    def parameters(self) -> dict[str, str]:
        """The same as parameters of a call."""
        given = {
            "text": self.text,
            "i": "1" if self.any_case else None,
            "level": self.level,
            "source": self.source,
            "request_id": self.request_id,
            "since": self.since,
            "until": self.until,
        }
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True)
class Reader:
    """Reads from one collector.

    Example: `list(Reader(destination()).search(Wanted("timeout", since="1h")))`.
    """

    destination: Destination
    warn: Callable[[str], None] = field(default=lambda _text: None)

    def search(self, wanted: Wanted, *, limit: int | None = None, newest_first: bool = False) -> Iterator[Entry]:
        """Finds entries in the order of their time, page by page; at most `limit` of them.

        Raises `UsageError` when the collector doesn't understand what is wanted, `OperationError` when it can't be
        asked.
        """
        left = limit
        parameters = wanted.parameters() | {"order": "desc" if newest_first else "asc"}
        with self._client() as client:
            while left is None or left > 0:
                parameters["limit"] = str(min(PAGE, left or PAGE))
                page = _page(client.get("/search", params=parameters))
                yield from page["entries"]
                for name in page.get("unreadable", []):
                    self.warn(f"the collector can't read {name}")
                left = left and left - len(page["entries"])
                if page["next"] is None:
                    return
                parameters["cursor"] = page["next"]

    def follow(self, wanted: Wanted, *, last: int = 0) -> Iterator[Entry]:
        """Yields the last entries that were written, then each new one; goes on after the collector was started again.

        Only the first connection must succeed. Raises as `search` does.
        """
        seen = _Seen()
        parameters = wanted.parameters() | {"last": str(last)}
        attempt = 0
        while True:
            why = f"the log collector at {self.destination.url} has ended the stream"
            try:
                for entry in self._stream(parameters, seen):
                    attempt = 0
                    if entry is None:
                        self.warn("some entries were missed")
                    else:
                        yield entry
            except _UnreachableError as error:
                if not seen.connected:
                    raise
                why = error.message
            if not seen.connected:
                raise OperationError(f"what answers at {self.destination.url} is not a log collector")
            if attempt == 0:
                self.warn(f"{why}; trying again")
            parameters["last"] = "0"
            time.sleep(BACK_OFF[min(attempt, len(BACK_OFF) - 1)])
            attempt += 1

    def _stream(self, parameters: dict[str, str], seen: "_Seen") -> Iterator[Entry | None]:
        """The entries of one connection; None where some were missed."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": seen.id} if seen.id else {})
        with self._client() as client, client.stream("GET", "/tail", params=parameters, headers=headers) as response:
            if response.is_error:
                response.read()
                if seen.connected and response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                    raise _UnreachableError("the log collector is busy or stopping")
                _refused(response)
            yield from _events(response.iter_lines(), seen)

    @contextmanager
    def _client(self) -> Iterator[httpx.Client]:
        url, token, ca = self.destination.url, self.destination.token, self.destination.ca
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = httpx.Timeout(PATIENCE, connect=CONNECT_PATIENCE)
        try:
            verified = ssl.create_default_context(cafile=ca) if url.startswith("https:") else False
        except (OSError, ssl.SSLError) as error:
            raise OperationError(f"cannot read the authority {ca}: {error}", hint="give --ca FILE") from error
        try:
            with httpx.Client(
                base_url=url, verify=verified, headers=headers, timeout=timeout, trust_env=False
            ) as client:
                yield client
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise _UnreachableError(
                f"cannot reach the log collector at {url}: {error}", hint="is it running there?"
            ) from error


@dataclass
class _Seen:
    """How far a follower has come."""

    id: str = ""
    connected: bool = False


class _UnreachableError(OperationError):
    """The collector does not answer now; it may later."""


def _events(lines: Iterator[str], seen: _Seen) -> Iterator[Entry | None]:
    """Server-sent events, of which each line of ours is a field."""
    missed = False
    for line in lines:
        seen.connected = True
        name, _, value = line.partition(": ")
        if name == "event":
            missed = value == "missed"
        elif name == "data":
            yield None if missed else json.loads(value)
        elif name == "id":
            seen.id = value
        elif not line:
            missed = False


def _page(response: httpx.Response) -> dict[str, Any]:
    if response.is_error:
        _refused(response)
    try:
        page = response.json()
        page["entries"], page["next"]
    except (ValueError, KeyError, TypeError):
        raise OperationError(f"what answers at {response.url} is not a log collector") from None
    assert isinstance(page, dict)
    return page


def _refused(response: httpx.Response) -> None:
    """Raises what the collector says, in its own words."""
    try:
        message = response.json()["message"]
    except (ValueError, KeyError, TypeError):
        raise OperationError(f"what answers at {response.url} is not a log collector") from None
    if response.status_code == httpx.codes.BAD_REQUEST:
        raise UsageError(message)
    raise OperationError(f"{response.url.host}:{response.url.port} refused: {message}")
