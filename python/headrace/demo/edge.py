"""The balancer's edge cache, as far as the blog has to do with it: what may be kept there, and what has to go."""

import asyncio
import logging
from typing import Any, Final

from headrace.balancer.purge import purge
from headrace.cache.hit import Hit
from headrace.errors import OperationError

LIFETIME: Final = 86400  # seconds; a change is purged
logger = logging.getLogger(__name__)


class Edge:
    """The cache of the balancer whose admin port is `admin` (a URL); its token and authority are the machine's.

    Example: `await Edge("https://127.0.0.1:2001").forget("post:hello", "posts")`.
    """

    def __init__(self, admin: str) -> None:
        self._admin = admin

    def fields(self, hit: Hit[Any], tag: str) -> dict[str, str]:
        """What a page made of `hit` says to the edge alone (RFC 9213), with the group that it belongs to (RFC 9875).

        A near value may be a moment older than the last purge, and at the edge it would stay for a day.
        """
        if hit.source == "near":
            return {}
        return {"CDN-Cache-Control": f"max-age={LIFETIME}", "Cache-Groups": f'"{tag}"'}

    async def forget(self, *tags: str) -> None:
        """Removes the pages of all `tags`. Where the balancer cannot be reached, that is logged."""
        try:
            for tag in tags:
                await asyncio.to_thread(purge, tag=tag, balancer=self._admin)
        except OperationError as error:
            logger.warning("the edge cache is not purged of %s: %s", ", ".join(tags), error)
