"""Following what a cache server says of changes: `GET /events`, read by a thread that never gives up."""

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

BOUND: Final = 2.0  # seconds; the server gives a sign of life each second
PAUSE: Final = (0.05, 5.0)  # seconds between attempts: the first, doubling up to the longest


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream. Example: `Event("change", '{"key": "a"}', "17")`."""

    kind: str
    data: str
    id: str


def events(lines: Iterable[bytes]) -> Iterator[Event | None]:
    """The events in the lines of a stream (HTML standard, 9.2); None for a comment, which is a sign of life."""
    fields: dict[str, str] = {}
    for line in lines:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if not text:
            if fields:
                yield Event(fields.get("event", "message"), fields.get("data", ""), fields.get("id", ""))
            fields = {}
            continue
        name, _, value = text.partition(":")
        if name:
            fields[name] = value.removeprefix(" ")
        else:
            yield None


class Follower:
    """A thread that follows one server.

    Example: `Follower("http://127.0.0.1:5000", token="t", ca=None, change=change, lost=lost).start()`.

    `change` gets what changed: `{"key": K}`, `{"tag": T}` or `{"prefix": P}`, with `"soft"`. `lost` is called before
    the stream begins and whenever changes were missed: whatever is had may be old. `is_current` says whether all that
    the server had changed two seconds ago was told.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str,
        ca: str | None,
        change: Callable[[dict[str, object]], None],
        lost: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = urlsplit(url)
        self._token = token
        self._tls = ssl.create_default_context(cafile=ca) if self._url.scheme == "https" else None
        self._change = change
        self._lost = lost
        self._clock = clock
        self._seen = ""
        self._until = 0.0
        self._ended = threading.Event()
        self._connection: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._run, name="headrace-near", daemon=True)

    def start(self) -> None:
        """Begins to follow."""
        self._thread.start()

    def is_current(self) -> bool:
        """Whether the server was heard within the bound."""
        return self._clock() < self._until

    def close(self) -> None:
        """Stops following."""
        self._ended.set()
        self._until = 0.0
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(2)
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(BOUND)

    def _run(self) -> None:
        pause = PAUSE[0]
        while not self._ended.is_set():
            began = self._clock()
            # Whatever it is, it must end neither the thread nor the program; the near cache is not used meanwhile.
            with suppress(Exception):
                self._follow()
            pause = PAUSE[0] if self._clock() - began > PAUSE[1] else min(pause * 2, PAUSE[1])
            self._ended.wait(pause)

    def _follow(self) -> None:
        connection = self._connection = self._connected()
        try:
            headers = {"Accept": "text/event-stream"}
            if self._token:
                headers["Authorization"] = f"Bearer {self._token}"
            if self._seen:
                headers["Last-Event-ID"] = self._seen
            else:
                self._lost()
            asked = self._clock()
            connection.request("GET", self._url.path.rstrip("/") + "/events", headers=headers)
            response = connection.getresponse()
            if response.status == 200:
                self._take(response, asked)
        finally:
            self._connection = None
            connection.close()

    def _take(self, lines: Iterable[bytes], asked: float) -> None:
        """What was read is as new as the moment before which it was waited for."""
        began = asked
        for event in events(lines):
            if event is not None:
                self._hear(event)
            if self._ended.is_set():
                return
            self._until = began + BOUND
            began = self._clock()

    def _hear(self, event: Event) -> None:
        if event.kind == "change":
            self._change(json.loads(event.data))
        elif event.kind != "ready":
            # Changes were missed, or told in a way that means nothing here.
            self._lost()
        self._seen = event.id or self._seen

    def _connected(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._tls is None:
            return http.client.HTTPConnection(host, port, timeout=BOUND)
        return http.client.HTTPSConnection(host, port, timeout=BOUND, context=self._tls)
