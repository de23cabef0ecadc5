"""Posts payloads to `headrace ingest`: in batches, compressed, again until they are acknowledged, each stored once."""

import asyncio
import atexit
import json
import logging
import threading
import time
import weakref
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from headrace.errors import OperationError
from headrace.ingest.outbox import Outbox, OutboxLimits
from headrace.ingest.poster import NotIngestedError, Poster, endpoint

PATIENCE: Final = 300.0
LEAVING: Final = 5.0  # seconds for what is left when the program ends without `close`

logger = logging.getLogger(__name__)


class Client:
    """Queues payloads and posts them from a thread of its own; any thread may call it.

    Example:
        with Client("https://127.0.0.1:7000", token="…") as client:
            client.send({"host": "web-1", "load": 0.7})

    | parameter | meaning |
    |---|---|
    | `url` | where `headrace ingest` listens; a path names a stream, as `stream` does |
    | `token` | the collection's token; empty where none is asked for |
    | `stream` | the stream's name; empty: the default one |
    | `version` | told with each collection |
    | `compress` | `gzip`, `zstd` (the extra of that name) or None |
    | `limits` | when payloads leave together, and how many bytes may wait; `send` waits when there is no room |
    | `patience` | seconds until a batch that isn't acknowledged is given up |
    | `ca` | the authority to verify by; None: those of the system, and the local one of this machine |

    Leaving the `with` block sends what is left, and raises `NotIngestedError` if something could not be stored.
    Raises `UsageError` for a URL, compression or authority that can't be used.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        stream: str = "",
        version: str = "1",
        compress: str | None = "gzip",
        limits: OutboxLimits | None = None,
        patience: float = PATIENCE,
        ca: str | Path | None = None,
    ) -> None:
        self._poster = Poster(
            endpoint(url, stream), token=token, version=version, compress=compress, patience=patience, ca=ca
        )
        self._outbox = Outbox(limits or OutboxLimits(), time.monotonic)
        self._lock = threading.Lock()
        self._sender: threading.Thread | None = None
        self._failures: list[NotIngestedError] = []
        self._closed = False
        atexit.register(_leave, weakref.ref(self))

    def send(self, payload: Any, *, timeout: float | None = None) -> None:  # noqa: ANN401 - whatever is JSON
        """Queues a payload; waits, up to `timeout` seconds, while the queue is full.

        Raises `TypeError` or `ValueError` when it isn't JSON, `NotIngestedError` for earlier payloads that couldn't be
        stored (this one is not queued then), `OperationError` when there is no room in time, or after `close`.
        """
        if not self.offer(payload, timeout=timeout):
            hint = f"is {self._poster.url} answering?"
            raise OperationError(f"no room for a payload within {timeout} s", hint=hint)

    def offer(self, payload: Any, *, timeout: float | None = 0.0) -> bool:  # noqa: ANN401 - whatever is JSON
        """As `send`, but says whether there was room; by default at once."""
        body = json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        if self._closed:
            raise OperationError("the client is closed", hint="make another one")
        self._raise_failures()
        self._begin()
        return self._outbox.put(body, timeout)

    def flush(self, timeout: float | None = None) -> None:
        """Waits until all that was sent is acknowledged.

        Raises `NotIngestedError` for what couldn't be stored, `OperationError` when it takes longer than `timeout`
        seconds; what is left is tried on.
        """
        done = self._outbox.flush(timeout)
        self._raise_failures()
        if not done:
            raise OperationError(f"{self._poster.url} didn't acknowledge everything within {timeout} s")

    def close(self, timeout: float | None = None) -> None:
        """Flushes, and ends; what isn't acknowledged within `timeout` seconds is given up.

        An attempt that is under way is waited for. Raises `NotIngestedError` for what was not stored.
        """
        self._closed = True
        self._outbox.flush(timeout)
        self._poster.leaving.set()
        self._outbox.close()
        if self._sender is not None:
            self._sender.join()
        self._poster.close()
        self._raise_failures()

    def __enter__(self) -> "Client":  # noqa: PYI034 - `Self` came with Python 3.11
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            self.close()
        except NotIngestedError:
            # The error that ended the block says more.
            if error is None:
                raise

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def _begin(self) -> None:
        """The thread begins with the first payload, so that a client made before a fork works in the child."""
        with self._lock:
            if self._sender is None:
                self._sender = threading.Thread(target=self._run, name="headrace-ingest", daemon=True)
                self._sender.start()

    def _run(self) -> None:
        while payloads := self._outbox.take():
            try:
                self._poster.deliver(payloads)
            except NotIngestedError as error:
                self._failures.append(error)
            self._outbox.done(len(payloads))

    def _raise_failures(self) -> None:
        if self._failures:
            failures, self._failures = self._failures, []
            raise NotIngestedError.of(failures)


class AsyncClient:
    """The same for `async with`; takes the same parameters, and raises the same errors.

    Example:
        async with AsyncClient("https://127.0.0.1:7000") as client:
            await client.send({"host": "web-1", "load": 0.7})

    It posts from a thread, too: an event loop that is busy delays nothing.
    """

    def __init__(self, url: str, **options: Any) -> None:  # noqa: ANN401 - those of `Client`
        self._client = Client(url, **options)
        self._turn = asyncio.Lock()

    async def send(self, payload: Any, *, timeout: float | None = None) -> None:  # noqa: ANN401 - whatever is JSON
        """As `Client.send`; other tasks go on while it waits for room."""
        if not self._client.offer(payload):
            # One after the other, so that those who wait take up one thread.
            async with self._turn:
                await asyncio.to_thread(self._client.send, payload, timeout=timeout)

    async def flush(self, timeout: float | None = None) -> None:
        """As `Client.flush`."""
        await asyncio.to_thread(self._client.flush, timeout)

    async def close(self, timeout: float | None = None) -> None:
        """As `Client.close`."""
        await asyncio.to_thread(self._client.close, timeout)

    async def __aenter__(self) -> "AsyncClient":  # noqa: PYI034
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._client.__exit__, kind, error, trace)


def _leave(reference: "weakref.ref[Client]") -> None:
    """What was sent and not closed when the program ends gets a moment."""
    client = reference()
    if client is None or client.is_closed:
        return
    try:
        client.close(LEAVING)
    except NotIngestedError as error:
        logger.error("%d payloads are lost: %s", len(error.payloads), error)  # noqa: TRY400 - the words say it
