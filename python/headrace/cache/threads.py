"""The async half of a backend whose calls wait for a disk or a socket: each goes to a thread of the loop's own pool."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Final

from headrace.cache.backend import Found, Lease

LOOK: Final = 0.02  # seconds until it is looked again whether a value has come


class Blocking(ABC):
    """A backend by its sync calls; waiting for another's lease is looking again and again.

    Example: `class DiskBackend(Blocking): ...` and `await DiskBackend(folder, max_bytes=1 << 30).aget("post:3")`.
    """

    @abstractmethod
    def get(self, key: str) -> Found | None:
        """As `Backend.get`."""

    @abstractmethod
    def get_many(self, keys: Sequence[str]) -> dict[str, Found]:
        """As `Backend.get_many`."""

    @abstractmethod
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

    @abstractmethod
    def set_many(self, values: Mapping[str, bytes], *, ttl: float, stale: float = 0, tags: Sequence[str] = ()) -> None:
        """As `Backend.set_many`."""

    @abstractmethod
    def leased(self, key: str, seconds: float) -> Found | Lease | None:
        """As `Backend.lease` with no time to wait."""

    @abstractmethod
    def give_up(self, lease: Lease) -> None:
        """As `Backend.give_up`."""

    @abstractmethod
    def delete(self, key: str) -> bool:
        """As `Backend.delete`."""

    @abstractmethod
    def invalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """As `Backend.invalidate`."""

    @abstractmethod
    def close(self) -> None:
        """As `Backend.close`."""

    def clear(self) -> None:
        """As `Backend.clear`."""
        self.invalidate(prefix="")

    def lease(self, key: str, *, seconds: float, wait: float) -> Found | Lease | None:
        """As `Backend.lease`."""
        deadline = time.monotonic() + wait
        while (leased := self.leased(key, seconds)) is None and time.monotonic() < deadline:
            time.sleep(LOOK)
        return leased

    async def aget(self, key: str) -> Found | None:
        """As `get`."""
        return await asyncio.to_thread(self.get, key)

    async def aget_many(self, keys: Sequence[str]) -> dict[str, Found]:
        """As `get_many`."""
        return await asyncio.to_thread(self.get_many, keys)

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
        return await asyncio.to_thread(self.set, key, value, ttl=ttl, stale=stale, tags=tags, lease=lease, over=over)

    async def aset_many(
        self, values: Mapping[str, bytes], *, ttl: float, stale: float = 0, tags: Sequence[str] = ()
    ) -> None:
        """As `set_many`."""
        await asyncio.to_thread(self.set_many, values, ttl=ttl, stale=stale, tags=tags)

    async def alease(self, key: str, *, seconds: float, wait: float) -> Found | Lease | None:
        """As `lease`. Holds no thread while it waits: the holder may need one to compute."""
        deadline = time.monotonic() + wait
        leased = await asyncio.to_thread(self.leased, key, seconds)
        while leased is None and time.monotonic() < deadline:
            await asyncio.sleep(LOOK)
            leased = await asyncio.to_thread(self.leased, key, seconds)
        return leased

    async def agive_up(self, lease: Lease) -> None:
        """As `give_up`."""
        await asyncio.to_thread(self.give_up, lease)

    async def adelete(self, key: str) -> bool:
        """As `delete`."""
        return await asyncio.to_thread(self.delete, key)

    async def ainvalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """As `invalidate`."""
        return await asyncio.to_thread(self.invalidate, key=key, tag=tag, prefix=prefix, soft=soft)

    async def aclear(self) -> None:
        """As `clear`."""
        await asyncio.to_thread(self.clear)

    async def aclose(self) -> None:
        """As `close`."""
        await asyncio.to_thread(self.close)
