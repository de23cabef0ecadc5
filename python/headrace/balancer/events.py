"""News of the balancer, for whoever listens at `/events`."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Message, Send

BACKLOG = 256  # news that a slow listener may be behind before it is let go
KEEP_ALIVE = 15.0  # seconds; a comment that finds out listeners who vanished
STUCK_AFTER = 30.0  # seconds that a listener may take to read what was sent


class Hub:
    """Passes each piece of news to all listeners as server-sent events; never waits for one of them.

    Example: `hub.tell("server", {"id": "s1"})` gives `event: server`, `data: {"id": "s1"}` to each `hub.listen()`.
    """

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[str | None]] = set()

    def tell(self, kind: str, data: dict[str, Any]) -> None:
        """Send `data` as an event of this kind; listeners that are too far behind are let go."""
        text = f"event: {kind}\ndata: {json.dumps(data)}\n\n"
        for listener in list(self._listeners):
            self._put(listener, text)

    def close(self) -> None:
        """End every stream."""
        while self._listeners:
            self._put(self._listeners.pop(), None)

    async def listen(self) -> AsyncIterator[str]:
        """The stream of one listener, from now on."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(BACKLOG)
        self._listeners.add(queue)
        try:
            yield ": headrace\n\n"
            while (text := await _next(queue)) is not None:
                yield text
        finally:
            self._listeners.discard(queue)

    def _put(self, listener: asyncio.Queue[str | None], text: str | None) -> None:
        if listener.full():
            self._listeners.discard(listener)
            listener.get_nowait()
            text = None
        listener.put_nowait(text)


class EventStream(StreamingResponse):
    """A response of server-sent events that ends when its reader is stuck."""

    media_type = "text/event-stream"

    async def stream_response(self, send: Send) -> None:
        """Send the events, each within its time."""

        async def send_in_time(message: Message) -> None:
            await asyncio.wait_for(send(message), STUCK_AFTER)

        with suppress(asyncio.TimeoutError):
            await super().stream_response(send_in_time)


async def _next(queue: "asyncio.Queue[str | None]") -> str | None:
    try:
        return await asyncio.wait_for(queue.get(), KEEP_ALIVE)
    except asyncio.TimeoutError:
        return ": still here\n\n"
