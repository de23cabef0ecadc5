"""`near=bytes`: values of a cache server that this process asked for, kept in it and coherent by the server's events.

The bound: a value that was changed or invalidated is given out for two seconds more at the very most, and only where
the stream of events broke at that moment; while it flows, for as long as an event takes. What this process changes
itself it sees at once.

How that holds. The server tells the tags of a value with it, so that an event removes exactly what it names, be it a
key, a tag or a prefix; a value whose tags it does not tell is not kept, and an event that means nothing here removes
all. A get that is on its way while that happens must not put back what it got: it holds a lease of the near store,
which is lost to every removal of its key, of a prefix of it and of a tag of what it brings, and nothing is stored under
a lease that was lost. Changes of our own remove before they are sent, for nobody shall read the old value, and again
after, for somebody may have fetched it meanwhile. While no sign of life comes from the server the near store is not
asked; when changes were missed it is emptied.
"""

import asyncio
import os
import struct
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from headrace import _core
from headrace.cache.backend import Backend, Found, Lease
from headrace.cache.following import Follower

HEAD: Final = struct.Struct("<dQ")  # the age a value had when it came and its version, before the value itself
FETCH: Final = 30.0  # seconds that a get may be on its way and still store what it got

Following = Callable[[Callable[[dict[str, object]], None], Callable[[], None]], Follower]


class Near:
    """A cache server with what this process asked for before it.

    Example: `Near(remote, max_bytes=16 << 20, follow=follow)`, where `follow(change, lost)` makes a `Follower`.
    """

    def __init__(self, far: Backend, *, max_bytes: int, follow: Following) -> None:
        self._far = far
        self._max_bytes = max_bytes
        self._follow = follow
        self._left: list[object] = []
        self._begin()
        _nears.add(self)

    def _begin(self) -> None:
        self._store = _core.Store(max_bytes=self._max_bytes)
        self._lock = threading.Lock()
        self._follower: Follower | None = None

    def leave(self) -> None:
        """What a child does with its parent's store: keeps it, untouched, and begins one of its own."""
        self._left += [self._store, self._follower]
        self._begin()

    def _is_current(self) -> bool:
        """The first call begins to follow."""
        follower = self._follower
        return self._started().is_current() if follower is None else follower.is_current()

    def _started(self) -> Follower:
        with self._lock:
            if self._follower is None:
                self._follower = self._follow(self._changed, self._lost)
                self._follower.start()
            return self._follower

    def _changed(self, what: Mapping[str, object]) -> None:
        match what:
            case {"key": str(key)}:
                self._store.remove(key)
            case {"tag": str(tag)}:
                self._store.invalidate_tag(tag)
            case {"prefix": str(prefix)}:
                self._store.invalidate_prefix(prefix)
            case _:
                self._lost()

    def _lost(self) -> None:
        self._store.invalidate_prefix("")

    def _near(self, key: str) -> Found | None:
        """What is here and fresh."""
        hit = self._store.get(key)
        if hit is None:
            return None
        kept, since, fresh_for, stale_for, _ = hit
        if fresh_for <= 0:
            return None
        # What `Found(...)` does, in half the time.
        age, version = HEAD.unpack_from(kept)
        return tuple.__new__(Found, (kept[HEAD.size :], age + since, fresh_for, stale_for, "near", None, version))

    def _keep(self, key: str, found: object, lease: int) -> None:
        """Keeps what was fetched under a lease of the store, if that still holds."""
        if not lease:
            return
        if not isinstance(found, Found) or found.fresh_for <= 0 or found.tags is None:
            self._store.give_up(key, lease)
            return
        # What it was on its way, so that nothing is fresh here that is over there. 0 is left where the lease was lost.
        fresh_for = max(0.0, found.fresh_for - (FETCH - self._store.lease_left(key)))
        kept = HEAD.pack(found.age, found.version or 0) + found.value
        try:
            self._store.set(key, kept, fresh_for, found.stale_for, found.tags, lease=lease)
        except ValueError:  # too large to be near
            self._store.give_up(key, lease)

    def get(self, key: str) -> Found | None:
        """As `Backend.get`."""
        if not self._is_current():
            return self._far.get(key)
        near = self._near(key)
        if near is not None:
            return near
        lease, found = self._store.lease(key, FETCH)[1], None
        try:
            found = self._far.get(key)
        finally:
            self._keep(key, found, lease)
        return found

    async def aget(self, key: str) -> Found | None:
        """As `get`."""
        if not self._is_current():
            return await self._far.aget(key)
        near = self._near(key)
        if near is not None:
            return near
        lease, found = self._store.lease(key, FETCH)[1], None
        try:
            found = await self._far.aget(key)
        finally:
            self._keep(key, found, lease)
        return found

    def get_many(self, keys: Sequence[str]) -> dict[str, Found]:
        """As `Backend.get_many`."""
        if not self._is_current():
            return self._far.get_many(keys)
        near, leases = self._parted(keys)
        found: dict[str, Found] = {}
        try:
            found = self._far.get_many(list(leases)) if leases else {}
        finally:
            for key, lease in leases.items():
                self._keep(key, found.get(key), lease)
        return near | found

    async def aget_many(self, keys: Sequence[str]) -> dict[str, Found]:
        """As `get_many`."""
        if not self._is_current():
            return await self._far.aget_many(keys)
        near, leases = self._parted(keys)
        found: dict[str, Found] = {}
        try:
            found = await self._far.aget_many(list(leases)) if leases else {}
        finally:
            for key, lease in leases.items():
                self._keep(key, found.get(key), lease)
        return near | found

    def _parted(self, keys: Sequence[str]) -> tuple[dict[str, Found], dict[str, int]]:
        """What is here, and leases for the rest."""
        near = {key: found for key in keys if (found := self._near(key)) is not None}
        return near, {key: self._store.lease(key, FETCH)[1] for key in keys if key not in near}

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
        self._store.remove(key)
        try:
            return self._far.set(key, value, ttl=ttl, stale=stale, tags=tags, lease=lease, over=over)
        finally:
            self._store.remove(key)

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
        self._store.remove(key)
        try:
            return await self._far.aset(key, value, ttl=ttl, stale=stale, tags=tags, lease=lease, over=over)
        finally:
            self._store.remove(key)

    def set_many(self, values: Mapping[str, bytes], *, ttl: float, stale: float = 0, tags: Sequence[str] = ()) -> None:
        """As `Backend.set_many`."""
        self._remove(values)
        try:
            self._far.set_many(values, ttl=ttl, stale=stale, tags=tags)
        finally:
            self._remove(values)

    async def aset_many(
        self, values: Mapping[str, bytes], *, ttl: float, stale: float = 0, tags: Sequence[str] = ()
    ) -> None:
        """As `set_many`."""
        self._remove(values)
        try:
            await self._far.aset_many(values, ttl=ttl, stale=stale, tags=tags)
        finally:
            self._remove(values)

    def _remove(self, keys: Mapping[str, bytes]) -> None:
        for key in keys:
            self._store.remove(key)

    def lease(self, key: str, *, seconds: float, wait: float) -> Found | Lease | None:
        """As `Backend.lease`."""
        if not self._is_current():
            return self._far.lease(key, seconds=seconds, wait=wait)
        near = self._near(key)
        if near is not None:
            return near
        lease, leased = self._store.lease(key, FETCH)[1], None
        try:
            leased = self._far.lease(key, seconds=seconds, wait=wait)
        finally:
            self._keep(key, leased, lease)
        return leased

    async def alease(self, key: str, *, seconds: float, wait: float) -> Found | Lease | None:
        """As `lease`."""
        if not self._is_current():
            return await self._far.alease(key, seconds=seconds, wait=wait)
        near = self._near(key)
        if near is not None:
            return near
        lease, leased = self._store.lease(key, FETCH)[1], None
        try:
            leased = await self._far.alease(key, seconds=seconds, wait=wait)
        finally:
            self._keep(key, leased, lease)
        return leased

    def give_up(self, lease: Lease) -> None:
        """As `Backend.give_up`."""
        self._far.give_up(lease)

    async def agive_up(self, lease: Lease) -> None:
        """As `give_up`."""
        await self._far.agive_up(lease)

    def delete(self, key: str) -> bool:
        """As `Backend.delete`."""
        self._store.remove(key)
        try:
            return self._far.delete(key)
        finally:
            self._store.remove(key)

    async def adelete(self, key: str) -> bool:
        """As `delete`."""
        self._store.remove(key)
        try:
            return await self._far.adelete(key)
        finally:
            self._store.remove(key)

    def invalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """As `Backend.invalidate`."""
        what = {"key": key, "tag": tag, "prefix": prefix}
        self._changed(what)
        try:
            return self._far.invalidate(key=key, tag=tag, prefix=prefix, soft=soft)
        finally:
            self._changed(what)

    async def ainvalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """As `invalidate`."""
        what = {"key": key, "tag": tag, "prefix": prefix}
        self._changed(what)
        try:
            return await self._far.ainvalidate(key=key, tag=tag, prefix=prefix, soft=soft)
        finally:
            self._changed(what)

    def clear(self) -> None:
        """As `Backend.clear`."""
        self.invalidate(prefix="")

    async def aclear(self) -> None:
        """As `clear`."""
        await self.ainvalidate(prefix="")

    def close(self) -> None:
        """As `Backend.close`."""
        self._stop()
        self._far.close()

    async def aclose(self) -> None:
        """As `close`."""
        await asyncio.to_thread(self._stop)
        await self._far.aclose()

    def _stop(self) -> None:
        if self._follower is not None:
            self._follower.close()


def _leave_all() -> None:
    for near in list(_nears):
        near.leave()


_nears: "weakref.WeakSet[Near]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_leave_all)
