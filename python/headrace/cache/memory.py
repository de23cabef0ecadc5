"""`memory://`: the store in this process, shared by its threads and event loops.

After a fork the child goes on with a copy of its own, empty, because the parent's locks may be held for good.
"""

import os
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import Final

from headrace import _core
from headrace.cache.backend import Found, Lease
from headrace.cache.errors import RefusedError
from headrace.cache.waiters import Waiters

SLICE: Final = 0.2  # seconds of a wait in one go; Python hears of Ctrl-C only in between
SHARDS: Final = 4  # few, so that large values find room in one


class MemoryBackend:
    """Values in memory, at most `max_bytes` of them with keys, tags and overhead.

    Example: `MemoryBackend(64 << 20).set("post:3", b"...", ttl=600)`.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._left: list[_core.Store] = []
        self._begin()
        _backends.add(self)

    def _begin(self) -> None:
        self._waiters = Waiters()
        self._store = _core.Store(max_bytes=self._max_bytes, max_value=self._max_bytes // 8, shards=SHARDS)

    def leave(self) -> None:
        """What a child does with its parent's store: keeps it, untouched, and begins one of its own."""
        self._left.append(self._store)
        self._begin()

    @property
    def store(self) -> _core.Store:
        """The store itself, until the next fork."""
        return self._store

    def get(self, key: str) -> Found | None:
        """As `Backend.get`."""
        hit = self._store.get(key)
        return None if hit is None else _found(hit)

    def get_many(self, keys: Sequence[str]) -> dict[str, Found]:
        """As `Backend.get_many`."""
        found = ((key, self.get(key)) for key in keys)
        return {key: one for key, one in found if one is not None}

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
        try:
            return self._store.set(
                key,
                value,
                ttl,
                stale,
                tags,
                lease=int(lease.id) if lease else 0,
                over=over.version if over else None,
            )
        except ValueError as error:
            raise RefusedError(f"{key!r}: {error}") from error
        finally:
            self._waiters.wake(key)

    def set_many(self, values: Mapping[str, bytes], *, ttl: float, stale: float = 0, tags: Sequence[str] = ()) -> None:
        """As `Backend.set_many`."""
        refused: RefusedError | None = None
        for key, value in values.items():
            try:
                self.set(key, value, ttl=ttl, stale=stale, tags=tags)
            except RefusedError as error:  # noqa: PERF203 - the others are kept
                refused = error
        if refused is not None:
            raise refused

    def lease(self, key: str, *, seconds: float, wait: float) -> Found | Lease | None:
        """As `Backend.lease`."""
        leased = self._lease(key, seconds)
        deadline = time.monotonic() + wait
        while leased is None and (left := deadline - time.monotonic()) > 0:
            self._store.wait(key, min(left, SLICE))
            leased = self._lease(key, seconds)
        return leased

    def _lease(self, key: str, seconds: float) -> Found | Lease | None:
        hit, lease = self._store.lease(key, seconds)
        found = None if hit is None else _found(hit)
        return Lease(key, lease, found) if lease else found

    def give_up(self, lease: Lease) -> None:
        """As `Backend.give_up`."""
        self._store.give_up(lease.key, int(lease.id))
        self._waiters.wake(lease.key)

    def delete(self, key: str) -> bool:
        """As `Backend.delete`."""
        return self.invalidate(key=key) > 0

    def invalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """As `Backend.invalidate`."""
        if key is not None:
            count = int(self._store.remove(key, soft=soft))
            self._waiters.wake(key)
        elif tag is not None:
            count = self._store.invalidate_tag(tag, soft=soft)  # ends no lease before it is used
        else:
            count = self._store.invalidate_prefix(prefix or "", soft=soft)
            self._waiters.wake_prefix(prefix or "")
        return count

    def clear(self) -> None:
        """As `Backend.clear`."""
        self.invalidate(prefix="")

    def close(self) -> None:
        """As `Backend.close`; the memory comes back with the object."""

    async def aget(self, key: str) -> Found | None:
        """As `get`."""
        return self.get(key)

    async def aget_many(self, keys: Sequence[str]) -> dict[str, Found]:
        """As `get_many`."""
        return self.get_many(keys)

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
        return self.set(key, value, ttl=ttl, stale=stale, tags=tags, lease=lease, over=over)

    async def aset_many(
        self, values: Mapping[str, bytes], *, ttl: float, stale: float = 0, tags: Sequence[str] = ()
    ) -> None:
        """As `set_many`."""
        self.set_many(values, ttl=ttl, stale=stale, tags=tags)

    async def alease(self, key: str, *, seconds: float, wait: float) -> Found | Lease | None:
        """As `lease`. Holds no thread while it waits: the holder may need one to compute."""
        leased = self._lease(key, seconds)
        if leased is not None or wait <= 0:
            return leased
        deadline = time.monotonic() + wait
        with self._waiters.waiter(key) as waiter:
            while (leased := self._lease(key, seconds)) is None and (left := deadline - time.monotonic()) > 0:
                await waiter.wait(min(left, self._store.lease_left(key)))
        return leased

    async def agive_up(self, lease: Lease) -> None:
        """As `give_up`."""
        self.give_up(lease)

    async def adelete(self, key: str) -> bool:
        """As `delete`."""
        return self.delete(key)

    async def ainvalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """As `invalidate`."""
        return self.invalidate(key=key, tag=tag, prefix=prefix, soft=soft)

    async def aclear(self) -> None:
        """As `clear`."""
        self.clear()

    async def aclose(self) -> None:
        """As `close`."""
        self.close()


def _found(hit: tuple[bytes, float, float, float, int]) -> Found:
    # What `Found(...)` does, in half the time.
    return tuple.__new__(Found, (hit[0], hit[1], hit[2], hit[3], "memory", None, hit[4]))


def _leave_all() -> None:
    for backend in list(_backends):
        backend.leave()


_backends: "weakref.WeakSet[MemoryBackend]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_leave_all)
