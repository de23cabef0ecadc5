"""Telling that a cache is away: once when it begins, once when it is over."""

import logging
from typing import Final

from headrace.cache.errors import CacheError, DeniedError

log: Final = logging.getLogger("headrace.cache")


class Outage:
    """Whether one server, folder or database is away. Example: `Outage("redis://host").begins(error)`."""

    __slots__ = ("_name", "_why", "lasts")

    def __init__(self, name: str) -> None:
        self._name = name
        self._why: type[CacheError] | None = None
        self.lasts = False  # whether it was told that it is away, and not yet that it is back

    def begins(self, error: CacheError) -> CacheError:
        """Tells of an error of a new kind, and gives it back to be raised. A wrong token is an error for good."""
        if self._why is not type(error):
            self._why = type(error)
            self.lasts = True
            level = logging.ERROR if isinstance(error, DeniedError) else logging.WARNING
            log.log(level, "the cache %s is not used until it is back: %s", self._name, error)
        return error

    def ends(self) -> None:
        """It has answered."""
        if self._why is not None:
            self._why = None
            self.lasts = False
            log.warning("the cache %s is back", self._name)
