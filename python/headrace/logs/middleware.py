"""The request's id for all that an app logs while it answers."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from headrace.logs.context import request_id

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]


class RequestId:
    """ASGI middleware: entries that `app` writes have the field `request_id`, by the header `X-Request-Id`.

    Example: `app = RequestId(app)`, or in Starlette and FastAPI `app.add_middleware(RequestId)`.

    The balancer gives each request such an id, and logs its own entries with it.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
        """Answers the request."""
        found = next((value for name, value in scope.get("headers", ()) if name == b"x-request-id"), None)
        token = request_id.set(found.decode("latin-1") if found else None)
        try:
            await self._app(scope, receive, send)
        finally:
            request_id.reset(token)
