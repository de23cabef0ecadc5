"""What entries are told of the request during which they are written."""

from contextvars import ContextVar
from typing import Final

request_id: Final[ContextVar[str | None]] = ContextVar("headrace.logs.request_id", default=None)
"""The request at hand; entries written while it is set have it as their field `request_id`.

Example: `request_id.set(request.headers["x-request-id"])` in a middleware.
"""
