"""What programs use: values as Python has them, kept where a URL says.

The guarantee: a cache that is down, slow or not let in breaks nothing. `get` gives the default, `set` drops,
`invalidate` gives 0; `counts()` tells. A value that the serializer can't keep and a call that is wrong raise, as other
mistakes in a program do.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from headrace.cache.backend import Backend, Found
from headrace.cache.errors import SerializeError
from headrace.cache.guarded import Guarded
from headrace.cache.opening import opened, where
from headrace.cache.serializers import Serializer, serializer
from headrace.errors import UsageError
from headrace.settings.values import UnreadableError, read_duration, read_size

if TYPE_CHECKING:
    from typing_extensions import Self

Lifetime = float | str
LONGEST: Final = 2.0**31  # seconds; a longer lifetime is taken for this (RFC 9111, 1.2.2)


class Cache:
    """A cache behind a URL; sync, and with an `a` before the name async.

    Example:
        cache = Cache("https://127.0.0.1:5000")
        cache.set("post:3", {"title": "Mill"}, ttl="10m", tags=["posts"])
        cache.get("post:3")                       # {"title": "Mill"}
        cache.invalidate(tag="posts")             # 1
        await cache.aget("post:3", default={})    # {}

    `url` is `memory://` (this process), `disk://FOLDER` (this machine), `redis://HOST:PORT/DB`, or `https://HOST:PORT`
    of one `headrace cache` or a list of several; default `$HEADRACE_CACHE_URL`, else `https://127.0.0.1:5000`. `token`
    and `ca` (a PEM file) are found in the state folder of this machine when not given. `timeout`: for a call in all,
    seconds or a text like "250ms". `near`: bytes of this process, or a text like "16m", for values of the service that
    were asked for; they follow its invalidations, at most two seconds late. `serializer`: see
    `headrace.cache.serializers`. `prefix` goes before every key.

    Objects may be used by all threads and event loops of a process, and after a fork. Raises `UsageError` for a URL or
    an option that is none.
    """

    def __init__(
        self,
        url: str | Sequence[str] | None = None,
        *,
        token: str | None = None,
        ca: str | Path | None = None,
        timeout: Lifetime = 0.25,
        near: int | str | None = None,
        serializer: str | Serializer = "json",
        prefix: str = "",
    ) -> None:
        self.urls = where(url)
        self.serializer = _serializer(serializer)
        if not isinstance(prefix, str):
            raise UsageError(f"prefix={prefix!r} is no text", hint='give one like prefix="shop:"')
        backend = opened(self.urls, token=token, ca=ca, timeout=_timeout(timeout), near=_near(near))
        self._guarded = Guarded(backend, name=self.name, prefix=prefix)

    @property
    def name(self) -> str:
        """The URL, or all of them, without what they may hold of passwords."""
        return ", ".join(url.rpartition("@")[2] if "@" in url else url for url in self.urls)

    @property
    def backend(self) -> Backend:
        """Where values are as bytes. It never raises `CacheError`: see `Backend`."""
        return self._guarded

    def counts(self) -> dict[str, int]:
        """What this object was asked and what came of it: hits, misses, sets, failures, ..."""
        return self._guarded.counts.shown()

    def get(self, key: str, default: object = None) -> Any:  # noqa: ANN401 - what was set
        """The value, stale or not; `default` where there is none, or the cache is away."""
        return self._value(self._guarded.get(key), default)

    async def aget(self, key: str, default: object = None) -> Any:  # noqa: ANN401 - what was set
        """As `get`."""
        return self._value(await self._guarded.aget(key), default)

    def get_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """The values that are there, in one call to each server."""
        return self._values(self._guarded.get_many(_keys(keys)))

    async def aget_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """As `get_many`."""
        return self._values(await self._guarded.aget_many(_keys(keys)))

    def set(self, key: str, value: object, *, ttl: Lifetime, stale: Lifetime = 0, tags: Sequence[str] = ()) -> bool:
        """Keeps a value, fresh for `ttl`, then usable while it is renewed for `stale` more: seconds or "10m", "24h".

        Whether it was stored. Raises `SerializeError` for a value that can't be kept, `UsageError` for no duration.
        """
        data = self.serializer.dumps(value)
        return self._guarded.set(key, data, ttl=_ttl(ttl), stale=_seconds("stale", stale), tags=_tags(tags))

    async def aset(
        self, key: str, value: object, *, ttl: Lifetime, stale: Lifetime = 0, tags: Sequence[str] = ()
    ) -> bool:
        """As `set`."""
        data = self.serializer.dumps(value)
        return await self._guarded.aset(key, data, ttl=_ttl(ttl), stale=_seconds("stale", stale), tags=_tags(tags))

    def set_many(
        self, values: Mapping[str, object], *, ttl: Lifetime, stale: Lifetime = 0, tags: Sequence[str] = ()
    ) -> None:
        """Keeps several values, in one call to each server."""
        data = {key: self.serializer.dumps(value) for key, value in values.items()}
        self._guarded.set_many(data, ttl=_ttl(ttl), stale=_seconds("stale", stale), tags=_tags(tags))

    async def aset_many(
        self, values: Mapping[str, object], *, ttl: Lifetime, stale: Lifetime = 0, tags: Sequence[str] = ()
    ) -> None:
        """As `set_many`."""
        data = {key: self.serializer.dumps(value) for key, value in values.items()}
        await self._guarded.aset_many(data, ttl=_ttl(ttl), stale=_seconds("stale", stale), tags=_tags(tags))

    def delete(self, key: str) -> bool:
        """Removes one value; whether there was one."""
        return self._guarded.delete(key)

    async def adelete(self, key: str) -> bool:
        """As `delete`."""
        return await self._guarded.adelete(key)

    def invalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """Removes what has this key, this tag or this prefix, or with `soft` makes it stale; how many that were.

        Raises `UsageError` unless exactly one of the three is given.
        """
        _one_of(key, tag, prefix)
        return self._guarded.invalidate(key=key, tag=tag, prefix=prefix, soft=soft)

    async def ainvalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """As `invalidate`."""
        _one_of(key, tag, prefix)
        return await self._guarded.ainvalidate(key=key, tag=tag, prefix=prefix, soft=soft)

    def clear(self) -> None:
        """Removes everything under the prefix."""
        self._guarded.clear()

    async def aclear(self) -> None:
        """As `clear`."""
        await self._guarded.aclear()

    def close(self) -> None:
        """Lets go of connections and files. Nothing may be asked afterwards."""
        self._guarded.close()

    async def aclose(self) -> None:
        """As `close`."""
        await self._guarded.aclose()

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> "Self":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} can't be pickled or copied: it has connections; make another one with the same URL")

    def __repr__(self) -> str:
        return f"Cache({self.name!r})"

    def _value(self, found: Found | None, default: object) -> object:
        if found is None:
            return default
        try:
            return self.serializer.loads(found.value)
        except SerializeError:
            # Another program, or another version of this one, has written it: a miss, until it is set anew.
            self._guarded.counts.unreadable += 1
            return default

    def _values(self, found: Mapping[str, Found]) -> dict[str, Any]:
        missing = object()
        values = {key: self._value(one, missing) for key, one in found.items()}
        return {key: value for key, value in values.items() if value is not missing}


_serializer = serializer  # the parameter of the same name hides it


def _ttl(value: Lifetime) -> float:
    ttl = _seconds("ttl", value)
    if ttl == 0:
        raise UsageError("a ttl of 0 keeps nothing", hint='give seconds or a text like "10m"')
    return ttl


def _seconds(name: str, value: Lifetime) -> float:
    try:
        seconds = read_duration(value)
    except UnreadableError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise UsageError(f"{name}={value!r} is no duration", hint='give seconds or a text like "10m"')
    return min(seconds, LONGEST)


def _timeout(value: Lifetime) -> float:
    timeout = _seconds("timeout", value)
    if timeout == 0:
        raise UsageError("a timeout of 0 leaves no time for a call", hint='give seconds or a text like "250ms"')
    return timeout


def _near(value: int | str | None) -> int | None:
    try:
        near = 0 if value is None else read_size(value)
    except UnreadableError:
        near = -1
    if near < 0:
        raise UsageError(f"near={value!r} is no size", hint='give bytes or a text like "16m"')
    return None if value is None else near


def _keys(keys: Sequence[str]) -> Sequence[str]:
    if isinstance(keys, str | bytes):
        raise UsageError(f"get_many({keys!r}) asks for one key, not for several", hint=f"give a list: [{keys!r}]")
    return list(keys)


def _tags(tags: Sequence[str]) -> Sequence[str]:
    if isinstance(tags, str | bytes):
        raise UsageError(f"tags={tags!r} is one text", hint=f"give a list: tags=[{tags!r}]")
    named = list(tags) if isinstance(tags, Iterable) else [tags]
    if not all(isinstance(tag, str) for tag in named):
        raise UsageError(f"tags={tags!r} are no texts", hint='give a list like tags=["posts"]')
    return named


def _one_of(key: str | None, tag: str | None, prefix: str | None) -> None:
    if [key, tag, prefix].count(None) != 2:
        raise UsageError("invalidate one of key, tag and prefix", hint='like invalidate(tag="posts")')
