"""What a cache stands on: one seam, four implementations, one contract test over all of them.

Keys, tags and prefixes are text, values are bytes; what they mean is the serializer's business. Each call has an async
twin of the same meaning, whose name begins with `a`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

Source = Literal["memory", "near", "service", "disk", "redis"]


class Found(NamedTuple):
    """A value and its times, in seconds. `fresh_for` is not above 0 where the value is stale.

    Example: `backend.get("post:3").value`. A tuple, for one is made with every hit and a frozen dataclass takes longer.
    """

    value: bytes
    age: float
    fresh_for: float
    stale_for: float  # how much longer it may be used while it is renewed, after `fresh_for`
    source: Source
    tags: Sequence[str] | None = None  # told only by what is asked for the sake of copies
    version: int | None = None  # another one each time that it is set


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to compute a value that is missing or stale, for one caller at a time.

    It ends with `set(..., lease=lease)`, with `give_up(lease)`, or by itself after its seconds. `key` is the key as the
    backend has it; `stale` is what there is meanwhile.
    """

    key: str
    id: int | str
    stale: Found | None


class Backend(Protocol):
    """Where values are kept.

    Example: `backend.set("post:3", b"...", ttl=600, stale=3600, tags=["posts"]); backend.get("post:3")`.

    Lifetimes are seconds: fresh for `ttl`, then usable while it is renewed for `stale` more. Raises `CacheError` where
    it can't do what it is asked for. What a `Cache` has as its `backend` never does: there a cache that is away has
    nothing (None, {}, False, 0), and `lease` gives None, so that the caller computes.
    """

    def get(self, key: str) -> Found | None:
        """What is kept under `key`, stale or not; None where there is nothing or its time is over."""

    def get_many(self, keys: Sequence[str]) -> dict[str, Found]:
        """What is kept under these keys; the missing ones are left out."""

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
        """Keeps a value. False: nothing was stored.

        Either the lease was lost, by time or by an invalidation since; or what is fresh under the key is no longer
        what was found, `over`. That is how a value is changed by who has read it before, and nobody's change is lost.
        """

    def set_many(self, values: Mapping[str, bytes], *, ttl: float, stale: float = 0, tags: Sequence[str] = ()) -> None:
        """Keeps several values with the same lifetime and tags.

        Raises `RefusedError` where it does not take some of them; the others are kept.
        """

    def lease(self, key: str, *, seconds: float, wait: float) -> Found | Lease | None:
        """What is fresh, or the right to compute it.

        `Found`: fresh, or stale while another renews it. `Lease`: the caller computes. None: another one computes it,
        there is nothing meanwhile, and `wait` seconds are over.
        """

    def give_up(self, lease: Lease) -> None:
        """Ends a lease without a value, so that another caller may compute it."""

    def delete(self, key: str) -> bool:
        """Removes one value; whether there was one."""

    def invalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """Removes what has this key, this tag or this prefix, or with `soft` makes it stale; how many that were."""

    def clear(self) -> None:
        """Removes everything."""

    def close(self) -> None:
        """Lets go of connections and files. Nothing may be asked afterwards."""

    async def aget(self, key: str) -> Found | None:
        """As `get`."""

    async def aget_many(self, keys: Sequence[str]) -> dict[str, Found]:
        """As `get_many`."""

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

    async def aset_many(
        self, values: Mapping[str, bytes], *, ttl: float, stale: float = 0, tags: Sequence[str] = ()
    ) -> None:
        """As `set_many`."""

    async def alease(self, key: str, *, seconds: float, wait: float) -> Found | Lease | None:
        """As `lease`."""

    async def agive_up(self, lease: Lease) -> None:
        """As `give_up`."""

    async def adelete(self, key: str) -> bool:
        """As `delete`."""

    async def ainvalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """As `invalidate`."""

    async def aclear(self) -> None:
        """As `clear`."""

    async def aclose(self) -> None:
        """As `close`."""
