"""One cache server over HTTP: the core's client for threads, and one of its flows for each event loop."""

import asyncio
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from headrace import _core
from headrace.cache.backend import Found, Lease
from headrace.cache.errors import AwayError, CacheError, DeniedError, RefusedError
from headrace.cache.outage import Outage
from headrace.errors import UsageError

T = TypeVar("T")
Hit = tuple[bytes, float, float, float, int, list[str] | None]

# In the order in which they are told apart: each is a subclass of none before it.
ERRORS: Final = ((PermissionError, DeniedError), (OSError, AwayError), (ValueError, RefusedError))
FAILED: Final = tuple(raised for raised, _ in ERRORS)
TOGETHER: Final = 500  # calls in a batch
LEASE: Final = (0.001, 3600.0)  # seconds, the shortest and the longest that a server grants
WAIT: Final = 300.0  # seconds that a server lets somebody wait at most
SLICE: Final = 1.0  # seconds of a thread's wait in one go; Python hears of Ctrl-C only in between
TOO_LARGE: Final = "perhaps they are too large"
BYTES: Final = 8 << 20  # of values in a batch, at least one value


class Remote:
    """A cache server.

    Example: `Remote("http://127.0.0.1:5000", token="t", ca=None, timeout=0.25).get("post:3")`.

    `timeout` is in seconds and for all of a call. `with_tags`: what is found has its tags. Raises `UsageError` for a
    URL or an authority that is none.
    """

    def __init__(self, url: str, *, token: str, ca: str | None, timeout: float, with_tags: bool = False) -> None:
        self.url = url
        self._outage = Outage(url)
        self._make: Callable[[], _core.CacheClient] = lambda: _core.CacheClient(
            url, token=token, ca=ca, timeout=timeout, with_tags=with_tags
        )
        self.forget()
        _remotes.add(self)

    def forget(self) -> None:
        """Begins anew: connections belong to the process that opened them."""
        try:
            self._client = self._make()
        except (_core.CoreError, ValueError) as error:
            raise UsageError(str(error)) from error
        self._lock = threading.Lock()  # of event loops that begin at once
        self._flows: dict[asyncio.AbstractEventLoop, _core.CacheFlow | None] = {}

    def get(self, key: str) -> Found | None:
        """As `Backend.get`."""
        # The call that is made most often, without the frames of `_asked` and what it unpacks.
        try:
            hit = self._client.get(key)
        except FAILED as error:
            raise self._meant(error) from error
        if self._outage.lasts:
            self._outage.ends()
        return _found(hit)

    async def aget(self, key: str) -> Found | None:
        """As `get`."""
        return _found(await self._aasked("get", key))

    def get_many(self, keys: Sequence[str]) -> dict[str, Found]:
        """As `Backend.get_many`."""
        found: dict[str, Hit] = {}
        for at in range(0, len(keys), TOGETHER):
            found.update(self._asked(self._client.get_many, list(keys[at : at + TOGETHER])))
        return _all_found(found)

    async def aget_many(self, keys: Sequence[str]) -> dict[str, Found]:
        """As `get_many`."""
        found: dict[str, Hit] = {}
        for at in range(0, len(keys), TOGETHER):
            found.update(await self._aasked("get_many", list(keys[at : at + TOGETHER])))
        return _all_found(found)

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
        return self._asked(self._client.set, key, value, ttl, stale, tags, *_conditions(lease, over))

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
        return bool(await self._aasked("set", key, value, ttl, stale, tags, *_conditions(lease, over)))

    def set_many(self, values: Mapping[str, bytes], *, ttl: float, stale: float = 0, tags: Sequence[str] = ()) -> None:
        """As `Backend.set_many`."""
        stored, why = 0, TOO_LARGE
        for part in _parts(values):
            try:
                stored += self._asked(self._client.set_many, part, ttl, stale, tags)
            except RefusedError as error:  # noqa: PERF203 - the others are kept
                why = str(error)
        _check_all(len(values), stored, why)

    async def aset_many(
        self, values: Mapping[str, bytes], *, ttl: float, stale: float = 0, tags: Sequence[str] = ()
    ) -> None:
        """As `set_many`."""
        stored, why = 0, TOO_LARGE
        for part in _parts(values):
            try:
                stored += await self._aasked("set_many", part, ttl, stale, tags)
            except RefusedError as error:  # noqa: PERF203 - the others are kept
                why = str(error)
        _check_all(len(values), stored, why)

    def lease(self, key: str, *, seconds: float, wait: float) -> Found | Lease | None:
        """As `Backend.lease`."""
        hold, deadline = _held(seconds), time.monotonic() + wait
        leased = self._leased(key, hold, min(wait, SLICE))
        while leased is None and (left := deadline - time.monotonic()) > 0:
            leased = self._leased(key, hold, min(left, SLICE))
        return leased

    def _leased(self, key: str, hold: float, wait: float) -> Found | Lease | None:
        return _leased(key, *self._asked(self._client.lease, key, hold, wait))

    async def alease(self, key: str, *, seconds: float, wait: float) -> Found | Lease | None:
        """As `lease`."""
        return _leased(key, *await self._aasked("lease", key, _held(seconds), min(wait, WAIT)))

    def give_up(self, lease: Lease) -> None:
        """As `Backend.give_up`."""
        self._asked(self._client.give_up, lease.key, str(lease.id))

    async def agive_up(self, lease: Lease) -> None:
        """As `give_up`."""
        await self._aasked("give_up", lease.key, str(lease.id))

    def delete(self, key: str) -> bool:
        """As `Backend.delete`."""
        return self._asked(self._client.delete, key)

    async def adelete(self, key: str) -> bool:
        """As `delete`."""
        return bool(await self._aasked("delete", key))

    def invalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """As `Backend.invalidate`."""
        return self._asked(self._client.invalidate, key, tag, prefix, soft)

    async def ainvalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """As `invalidate`."""
        return int(await self._aasked("invalidate", key, tag, prefix, soft))

    def clear(self) -> None:
        """As `Backend.clear`."""
        self.invalidate(prefix="")

    async def aclear(self) -> None:
        """As `clear`."""
        await self.ainvalidate(prefix="")

    def close(self) -> None:
        """As `Backend.close`. Event loops that still run let go of their connections when they end."""
        self.forget()

    async def aclose(self) -> None:
        """As `close`."""
        loop = asyncio.get_running_loop()
        flow = self._flows.pop(loop, None)
        if flow is not None:
            loop.remove_reader(flow.fileno())
            flow.close()
        self.close()

    def _asked(self, ask: Callable[..., T], *parts: object) -> T:
        try:
            answer = ask(*parts)
        except FAILED as error:
            raise self._meant(error) from error
        if self._outage.lasts:
            self._outage.ends()
        return answer

    async def _aasked(self, ask: str, *parts: object) -> Any:  # noqa: ANN401 - what the call of this name gives
        loop = asyncio.get_running_loop()
        try:
            flow = self._flows[loop]
        except KeyError:
            flow = self._begun(loop)
        if flow is None:
            return await asyncio.to_thread(self._asked, getattr(self._client, ask), *parts)
        try:
            if not self._client.is_located():
                await asyncio.to_thread(self._client.locate)
            future = loop.create_future()
            getattr(flow, ask)(future, *parts)
            answer = await future
        except FAILED as error:
            raise self._meant(error) from error
        if self._outage.lasts:
            self._outage.ends()
        return answer

    def _begun(self, loop: asyncio.AbstractEventLoop) -> _core.CacheFlow | None:
        """The flow of an event loop; None for a loop that can't watch a descriptor, whose calls go to threads."""
        begun = _core.CacheFlow(self._client)
        flow: _core.CacheFlow | None = begun
        try:
            loop.add_reader(begun.fileno(), begun.drain)
        except NotImplementedError:
            flow = None
        with self._lock:
            self._flows = {other: known for other, known in self._flows.items() if not other.is_closed()}
            self._flows[loop] = flow
        return flow

    def _meant(self, error: Exception) -> CacheError:
        kind = next(kind for raised, kind in ERRORS if isinstance(error, raised))
        meant = kind(str(error))
        return meant if kind is RefusedError else self._outage.begins(meant)


def _found(hit: Hit | None) -> Found | None:
    # What `Found(...)` does, in half the time.
    return None if hit is None else tuple.__new__(Found, (hit[0], hit[1], hit[2], hit[3], "service", hit[5], hit[4]))


def _all_found(hits: Mapping[str, Hit]) -> dict[str, Found]:
    return {key: Found(hit[0], hit[1], hit[2], hit[3], "service", hit[5], hit[4]) for key, hit in hits.items()}


def _conditions(lease: Lease | None, over: Found | None) -> tuple[str | None, int | None]:
    return str(lease.id) if lease else None, over.version if over else None


def _held(seconds: float) -> float:
    shortest, longest = LEASE
    return min(max(seconds, shortest), longest)


def _leased(key: str, hit: Hit | None, lease: str | None) -> Found | Lease | None:
    found = _found(hit)
    return found if lease is None else Lease(key, lease, found)


def _parts(values: Mapping[str, bytes]) -> list[list[tuple[str, bytes]]]:
    """What goes together, bounded in number and bytes."""
    parts: list[list[tuple[str, bytes]]] = []
    left = 0
    for key, value in values.items():
        if not parts or len(parts[-1]) == TOGETHER or len(value) > left:
            parts.append([])
            left = BYTES
        parts[-1].append((key, value))
        left -= len(value)
    return parts


def _check_all(sent: int, stored: int, why: str) -> None:
    if stored < sent:
        raise RefusedError(f"{sent - stored} of {sent} values were refused: {why}")


def _forget_all() -> None:
    for remote in list(_remotes):
        remote.forget()


_remotes: "weakref.WeakSet[Remote]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_forget_all)
