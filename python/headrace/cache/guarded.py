"""A backend that never fails: a cache that is down or slow must not break who uses it.

What goes wrong becomes what an empty cache would say, and is counted; `Outage` tells of it. A call that was wrong
itself is the caller's and raises `UsageError`.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final, TypeVar

from headrace import _core
from headrace.cache.backend import Backend, Found, Lease
from headrace.cache.errors import CacheError, PartlyError, RefusedError
from headrace.errors import UsageError

T = TypeVar("T")
FAILURES: Final = (CacheError, UnicodeEncodeError, TypeError)  # the latter two: a key or a tag is no text
log: Final = logging.getLogger("headrace.cache")


@dataclass(slots=True)
class Counts:
    """What a cache was asked and what came of it, since it was made, in this process."""

    hits: int = 0
    misses: int = 0
    sets: int = 0
    invalidations: int = 0
    leases: int = 0  # granted
    lost: int = 0  # sets whose lease was lost, or what they were to replace
    failures: int = 0  # calls that the cache was away for, or did not let in
    refused: int = 0  # values and calls that the cache does not take
    unreadable: int = 0  # values that the serializer has not written

    def shown(self) -> dict[str, int]:
        """As a dict."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class Guarded:
    """A backend under a prefix of keys, which counts, and has nothing where the backend fails.

    Example: `Guarded(MemoryBackend(1 << 20), name="memory://", prefix="shop:").get("post:3")`.
    """

    def __init__(self, backend: Backend, *, name: str, prefix: str = "") -> None:
        self.counts = Counts()
        self._backend = backend
        self._name = name
        self._prefix = prefix

    @property
    def store(self) -> _core.Store | None:
        """Where values in this process are, for hits that are counted in nanoseconds; they are in no `counts`.

        None where there is none: behind a prefix, and for values that are elsewhere.
        """
        return None if self._prefix else getattr(self._backend, "store", None)

    def get(self, key: str) -> Found | None:
        """As `Backend.get`; None where it fails."""
        try:
            return self._found(self._backend.get(self._prefix + key))
        except FAILURES as error:
            return self._failed(error, None)

    async def aget(self, key: str) -> Found | None:
        """As `get`."""
        try:
            return self._found(await self._backend.aget(self._prefix + key))
        except FAILURES as error:
            return self._failed(error, None)

    def get_many(self, keys: Sequence[str]) -> dict[str, Found]:
        """As `Backend.get_many`; empty where it fails."""
        try:
            return self._all_found(keys, self._backend.get_many(self._keys(keys)))
        except PartlyError as error:
            return self._all_found(keys, self._failed(error, error.found))
        except FAILURES as error:
            return self._failed(error, {})

    async def aget_many(self, keys: Sequence[str]) -> dict[str, Found]:
        """As `get_many`."""
        try:
            return self._all_found(keys, await self._backend.aget_many(self._keys(keys)))
        except PartlyError as error:
            return self._all_found(keys, self._failed(error, error.found))
        except FAILURES as error:
            return self._failed(error, {})

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
        """As `Backend.set`; False where it fails."""
        try:
            return self._was_set(
                self._backend.set(self._prefix + key, value, ttl=ttl, stale=stale, tags=tags, lease=lease, over=over)
            )
        except FAILURES as error:
            return self._failed(error, instead=False)

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
        try:
            return self._was_set(
                await self._backend.aset(
                    self._prefix + key, value, ttl=ttl, stale=stale, tags=tags, lease=lease, over=over
                )
            )
        except FAILURES as error:
            return self._failed(error, instead=False)

    def set_many(self, values: Mapping[str, bytes], *, ttl: float, stale: float = 0, tags: Sequence[str] = ()) -> None:
        """As `Backend.set_many`."""
        try:
            self._backend.set_many(self._prefixed(values), ttl=ttl, stale=stale, tags=tags)
            self._were_set(len(values))
        except FAILURES as error:
            self._failed(error, None)

    async def aset_many(
        self, values: Mapping[str, bytes], *, ttl: float, stale: float = 0, tags: Sequence[str] = ()
    ) -> None:
        """As `set_many`."""
        try:
            await self._backend.aset_many(self._prefixed(values), ttl=ttl, stale=stale, tags=tags)
            self._were_set(len(values))
        except FAILURES as error:
            self._failed(error, None)

    def lease(self, key: str, *, seconds: float, wait: float) -> Found | Lease | None:
        """As `Backend.lease`; None, so that the caller computes, where it fails."""
        try:
            return self._leased(self._backend.lease(self._prefix + key, seconds=seconds, wait=wait))
        except FAILURES as error:
            return self._failed(error, None)

    async def alease(self, key: str, *, seconds: float, wait: float) -> Found | Lease | None:
        """As `lease`."""
        try:
            return self._leased(await self._backend.alease(self._prefix + key, seconds=seconds, wait=wait))
        except FAILURES as error:
            return self._failed(error, None)

    def give_up(self, lease: Lease) -> None:
        """As `Backend.give_up`."""
        try:
            self._backend.give_up(lease)
        except FAILURES as error:
            self._failed(error, None)

    async def agive_up(self, lease: Lease) -> None:
        """As `give_up`."""
        try:
            await self._backend.agive_up(lease)
        except FAILURES as error:
            self._failed(error, None)

    def delete(self, key: str) -> bool:
        """As `Backend.delete`; False where it fails."""
        try:
            return self._backend.delete(self._prefix + key)
        except FAILURES as error:
            return self._failed(error, instead=False)

    async def adelete(self, key: str) -> bool:
        """As `delete`."""
        try:
            return await self._backend.adelete(self._prefix + key)
        except FAILURES as error:
            return self._failed(error, instead=False)

    def invalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """As `Backend.invalidate`; 0 where it fails."""
        try:
            self.counts.invalidations += 1
            return self._backend.invalidate(key=self._under(key), tag=tag, prefix=self._under(prefix), soft=soft)
        except FAILURES as error:
            return self._unheard(error)

    async def ainvalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """As `invalidate`."""
        try:
            self.counts.invalidations += 1
            return await self._backend.ainvalidate(key=self._under(key), tag=tag, prefix=self._under(prefix), soft=soft)
        except FAILURES as error:
            return self._unheard(error)

    def clear(self) -> None:
        """Removes everything under the prefix."""
        self.invalidate(prefix="")

    async def aclear(self) -> None:
        """As `clear`."""
        await self.ainvalidate(prefix="")

    def close(self) -> None:
        """As `Backend.close`."""
        self._backend.close()

    async def aclose(self) -> None:
        """As `close`."""
        await self._backend.aclose()

    def _under(self, text: str | None) -> str | None:
        return None if text is None else self._prefix + text

    def _keys(self, keys: Iterable[str]) -> list[str]:
        return [self._prefix + key for key in keys]

    def _prefixed(self, values: Mapping[str, bytes]) -> Mapping[str, bytes]:
        return {self._prefix + key: value for key, value in values.items()}

    def _found(self, found: Found | None) -> Found | None:
        if found is None:
            self.counts.misses += 1
        else:
            self.counts.hits += 1
        return found

    def _all_found(self, keys: Sequence[str], found: dict[str, Found]) -> dict[str, Found]:
        self.counts.hits += len(found)
        self.counts.misses += len(keys) - len(found)
        start = len(self._prefix)
        return {key[start:]: value for key, value in found.items()} if start else found

    def _leased(self, leased: Found | Lease | None) -> Found | Lease | None:
        if isinstance(leased, Found):
            self.counts.hits += 1
        else:
            self.counts.misses += 1
            self.counts.leases += leased is not None
        return leased

    def _was_set(self, stored: bool) -> bool:  # noqa: FBT001 - the answer of the backend
        self.counts.sets += stored
        self.counts.lost += not stored
        return stored

    def _were_set(self, count: int) -> None:
        self.counts.sets += count

    def _failed(self, error: CacheError | UnicodeEncodeError | TypeError, instead: T) -> T:
        """Counts. What went wrong is told by who knows the server; only a refusal is news of its own."""
        if isinstance(error, TypeError):
            message = f"the cache {self._name} was asked for a key or a tag that is no text ({error})"
            raise UsageError(message, hint="keys, tags and prefixes are str") from error
        if not isinstance(error, RefusedError | UnicodeEncodeError):
            self.counts.failures += 1
            return instead
        self.counts.refused += 1
        if self.counts.refused == 1:
            log.warning("the cache %s refuses a value or a call, which is told once: %s", self._name, error)
        return instead

    def _unheard(self, error: CacheError | UnicodeEncodeError | TypeError) -> int:
        failed = self._failed(error, 0)
        what = "the cache %s did not hear of an invalidation: old values may be used for their time (%s)"
        log.error(what, self._name, error)
        return failed
