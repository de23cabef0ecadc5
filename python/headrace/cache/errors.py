"""What can go wrong with a cache, below the one tree of `headrace.errors`.

    OperationError
    └── CacheError            a backend could not do what it was asked for
        ├── AwayError         it is down, slow, or answers what is no answer
        │   └── PartlyError   some of its servers are
        ├── DeniedError       it does not take the token
        └── RefusedError      it does not take this value or call: too large, no lifetime
    UsageError
    ├── SerializeError        the serializer can't make bytes of the value
    └── DecorationError       `cached` does not fit the function; a ValueError as well

Backends raise them; a `Cache` turns all but `UsageError` into a miss, counted.
"""

from typing import TYPE_CHECKING

from headrace.errors import OperationError, UsageError

if TYPE_CHECKING:
    from headrace.cache.backend import Found


class CacheError(OperationError):
    """A backend could not do what it was asked for."""


class AwayError(CacheError):
    """The cache is down, slow, or answers what is no answer."""


class PartlyError(AwayError):
    """Some servers of a cache are away; `found` is what the others have."""

    def __init__(self, message: str, found: "dict[str, Found]") -> None:
        super().__init__(message)
        self.found = found


class DeniedError(CacheError):
    """The cache does not take the token."""


class RefusedError(CacheError):
    """The cache does not take this value or call."""


class SerializeError(UsageError):
    """The serializer can't make bytes of the value."""


class DecorationError(UsageError, ValueError):
    """`cached` was told something that does not fit the function."""
