"""Several cache servers as one: each key has its server, tags and prefixes have all of them.

The loss of a server costs the values it had. Nobody takes its place, because whoever didn't notice the loss would still
ask the old one.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from headrace.cache.backend import Backend, Found, Lease
from headrace.cache.errors import CacheError, PartlyError
from headrace.cache.rendezvous import digest, place

T = TypeVar("T")


class Spread:
    """Servers by name. Example: `Spread({"https://10.0.0.1:5000": first, "https://10.0.0.2:5000": second})`."""

    def __init__(self, servers: Mapping[str, Backend]) -> None:
        self._servers = list(servers.values())
        self._seeds = [digest(name) for name in servers]

    def get(self, key: str) -> Found | None:
        """As `Backend.get`."""
        return self._of(key).get(key)

    async def aget(self, key: str) -> Found | None:
        """As `get`."""
        return await self._of(key).aget(key)

    def get_many(self, keys: Sequence[str]) -> dict[str, Found]:
        """As `Backend.get_many`. Raises `PartlyError` with what was found when a server is away."""
        return _together([_tried(server.get_many, share) for server, share in self._shares(keys)])

    async def aget_many(self, keys: Sequence[str]) -> dict[str, Found]:
        """As `get_many`."""
        asked = (server.aget_many(share) for server, share in self._shares(keys))
        return _together(await asyncio.gather(*asked, return_exceptions=True))

    def set(
        self,
        key: str,
        value: bytes,
        *,
        ttl: float,
        stale: float = 0,
        tags: Sequence[str] = (),
        lease: Lease | None = None,
        over: Found | None = None,
    ) -> bool:
        """As `Backend.set`."""
        return self._of(key).set(key, value, ttl=ttl, stale=stale, tags=tags, lease=lease, over=over)

    async def aset(
        self,
        key: str,
        value: bytes,
        *,
        ttl: float,
        stale: float = 0,
        tags: Sequence[str] = (),
        lease: Lease | None = None,
        over: Found | None = None,
    ) -> bool:
        """As `set`."""
        return await self._of(key).aset(key, value, ttl=ttl, stale=stale, tags=tags, lease=lease, over=over)

    def set_many(self, values: Mapping[str, bytes], *, ttl: float, stale: float = 0, tags: Sequence[str] = ()) -> None:
        """As `Backend.set_many`. Every server gets its share, whatever becomes of the others'."""
        shares = self._value_shares(values)
        _all([_tried(partial(server.set_many, ttl=ttl, stale=stale, tags=tags), share) for server, share in shares])

    async def aset_many(
        self, values: Mapping[str, bytes], *, ttl: float, stale: float = 0, tags: Sequence[str] = ()
    ) -> None:
        """As `set_many`."""
        shares = self._value_shares(values)
        sent = (server.aset_many(share, ttl=ttl, stale=stale, tags=tags) for server, share in shares)
        _all(await asyncio.gather(*sent, return_exceptions=True))

    def lease(self, key: str, *, seconds: float, wait: float) -> Found | Lease | None:
        """As `Backend.lease`."""
        return self._of(key).lease(key, seconds=seconds, wait=wait)

    async def alease(self, key: str, *, seconds: float, wait: float) -> Found | Lease | None:
        """As `lease`."""
        return await self._of(key).alease(key, seconds=seconds, wait=wait)

    def give_up(self, lease: Lease) -> None:
        """As `Backend.give_up`."""
        self._of(lease.key).give_up(lease)

    async def agive_up(self, lease: Lease) -> None:
        """As `give_up`."""
        await self._of(lease.key).agive_up(lease)

    def delete(self, key: str) -> bool:
        """As `Backend.delete`."""
        return self._of(key).delete(key)

    async def adelete(self, key: str) -> bool:
        """As `delete`."""
        return await self._of(key).adelete(key)

    def invalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """As `Backend.invalidate`. Every server hears of a tag and of a prefix before the first error is raised."""
        servers = [self._of(key)] if key is not None else self._servers
        told = (partial(server.invalidate, key=key, tag=tag, prefix=prefix, soft=soft) for server in servers)
        return sum(_all([_tried(tell) for tell in told]))

    async def ainvalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """As `invalidate`."""
        servers = [self._of(key)] if key is not None else self._servers
        told = (server.ainvalidate(key=key, tag=tag, prefix=prefix, soft=soft) for server in servers)
        return sum(_all(await asyncio.gather(*told, return_exceptions=True)))

    def clear(self) -> None:
        """As `Backend.clear`."""
        self.invalidate(prefix="")

    async def aclear(self) -> None:
        """As `clear`."""
        await self.ainvalidate(prefix="")

    def close(self) -> None:
        """As `Backend.close`."""
        for server in self._servers:
            server.close()

    async def aclose(self) -> None:
        """As `close`."""
        for server in self._servers:
            await server.aclose()

    def _of(self, key: str) -> Backend:
        return self._servers[place(key, self._seeds)]

    def _shares(self, keys: Sequence[str]) -> list[tuple[Backend, list[str]]]:
        shares: dict[int, list[str]] = {}
        for key in keys:
            shares.setdefault(place(key, self._seeds), []).append(key)
        return [(self._servers[at], share) for at, share in shares.items()]

    def _value_shares(self, values: Mapping[str, bytes]) -> list[tuple[Backend, dict[str, bytes]]]:
        return [(server, {key: values[key] for key in share}) for server, share in self._shares(list(values))]


def _tried(ask: Callable[..., T], *parts: object) -> T | BaseException:
    """The answer, or the error that is told when the others were asked too."""
    try:
        return ask(*parts)
    except CacheError as error:
        return error


def _all(answers: Sequence[T | BaseException]) -> list[T]:
    """The answers. Raises the first error among them."""
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)]


def _together(answers: Sequence[dict[str, Found] | BaseException]) -> dict[str, Found]:
    found = {key: one for answer in answers if isinstance(answer, dict) for key, one in answer.items()}
    try:
        _all(answers)
    except CacheError as error:
        raise PartlyError(str(error), found) from error
    return found
