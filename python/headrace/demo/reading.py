"""What readers ask for most, kept in the cache for a day: the list of posts and each post.

A change takes out what it touches at once, for all app servers: the cache is shared, and so is the edge. Forms read
past it, since they need the latest version.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from headrace.cache.cache import Cache
from headrace.cache.decorator import cached
from headrace.cache.hit import Hit
from headrace.demo.client import DataClient, Page
from headrace.demo.edge import Edge
from headrace.demo.post import Post
from headrace.demo.tags import LISTS, post_tag

R = TypeVar("R")
LIFETIME: Final = "24h"


class Reading:
    """The data service's posts through a cache, each with where it comes from.

    Example: `(await Reading(data, Cache("https://127.0.0.1:5000")).post("hello")).source == "service"`.

    Without a cache everything is read from the data service. Raises what `DataClient` does.
    """

    page: Callable[[int, int], Awaitable[Hit[Page]]]
    post: Callable[[str], Awaitable[Hit[Post]]]

    def __init__(self, data: DataClient, cache: Cache | None, edge: Edge | None = None) -> None:
        self._cache = cache
        self._edge = edge
        if cache is None:
            self.page = lambda number, size: _called(data.page(number, size))
            self.post = lambda slug: _called(data.post(slug))
            return
        # The reader doesn't wait until it is kept, and nobody fills the cache with pages past the last.
        self.page = cached(
            ttl=LIFETIME,
            key="blog:page:{number}:{size}",
            tags=[LISTS],
            cache=cache,
            save="later",
            unless=lambda page: page.number > page.pages,
        )(data.page).hit
        self.post = cached(ttl=LIFETIME, key="blog:post:{slug}", tags=[post_tag("{slug}")], cache=cache, save="later")(
            data.post
        ).hit

    async def changed(self, slug: str) -> None:
        """Forgets a post and all lists: first what pages are made of, then the pages."""
        tags = (post_tag(slug), LISTS)
        if self._cache is not None:
            for tag in tags:
                await self._cache.ainvalidate(tag=tag)
        if self._edge is not None:
            await self._edge.forget(*tags)


async def _called(value: Awaitable[R]) -> Hit[R]:
    return Hit(await value, age=0, stale=False, source="call")
