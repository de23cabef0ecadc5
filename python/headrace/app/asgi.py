"""The shapes of ASGI, as types."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

Fields = Iterable[tuple[bytes, bytes]]
"""Header fields, in order, a repeated one as often as it stands there."""


async def answer(send: Send, status: int, body: bytes, fields: Fields = ()) -> None:
    """Sends a whole response of plain text.

    Example: `await answer(send, 503, b"starting", [(b"retry-after", b"1")])`.
    """
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body)), *fields]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
