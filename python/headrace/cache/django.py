"""headrace as a cache of Django's, with Django's own meaning of every call.

Example, in `settings.py`:
    CACHES = {"default": {"BACKEND": "headrace.cache.django.CacheBackend", "LOCATION": "https://127.0.0.1:5000"}}

`LOCATION` is a URL as `headrace.Cache` takes it (`memory://`, `disk://FOLDER`, `redis://HOST`, `https://HOST:PORT`), or
a list of several. `OPTIONS` are those of `headrace.Cache`: `token`, `ca`, `timeout`, `near`, `serializer`. The
serializer is `pickle` where none is named, as in Django's own backends: Django keeps whole responses. All threads and
all aliases with the same location and options share one `Cache`, which is the backend's `client`.

A cache that is away has nothing, and takes nothing: no view fails for it.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

from headrace.cache.backend import Found, Lease
from headrace.cache.cache import Cache
from headrace.cache.errors import SerializeError

FOREVER: Final = 10 * 365 * 86400.0  # seconds for Django's timeout of None
SECONDS: Final = 5.0  # for how long `add` has the right to a key
TRIES: Final = 1000  # of an addition; each that comes to nothing is somebody else's that came to something

_clients: Final[dict[str, Cache]] = {}
_lock: Final = threading.Lock()
_MISSING: Final = object()


class CacheBackend(BaseCache):  # type: ignore[misc] # Django has no types
    """Django's cache API over a `headrace.Cache`; see the module for its settings."""

    def __init__(self, location: str | Sequence[str], params: Mapping[str, Any]) -> None:
        super().__init__(params)
        self.client = _client(location, dict(params.get("OPTIONS") or {}))

    def get(self, key: str, default: object = None, version: int | None = None) -> Any:  # noqa: ANN401 - what was set
        """The value, or `default`."""
        return self._value(self.client.backend.get(self._key(key, version)), default)

    async def aget(self, key: str, default: object = None, version: int | None = None) -> Any:  # noqa: ANN401
        """As `get`."""
        return self._value(await self.client.backend.aget(self._key(key, version)), default)

    def set(self, key: str, value: object, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:  # noqa: ANN401
        """Keeps a value for `timeout` seconds; None: for good, 0: not at all."""
        self._set(self._key(key, version), value, self._ttl(timeout))

    async def aset(self, key: str, value: object, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:  # noqa: ANN401
        """As `set`."""
        await self._aset(self._key(key, version), value, self._ttl(timeout))

    def add(self, key: str, value: object, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:  # noqa: ANN401
        """Keeps a value where there is none; whether it did. Of several processes at once one does."""
        name, ttl = self._key(key, version), self._ttl(timeout)
        lease = self.client.backend.lease(name, seconds=SECONDS, wait=0)
        if not isinstance(lease, Lease):
            return False
        try:
            data = self.client.serializer.dumps(value)
        except SerializeError:
            self.client.backend.give_up(lease)
            raise
        if ttl > 0:
            return self.client.backend.set(name, data, ttl=ttl, lease=lease)
        self.client.backend.give_up(lease)
        return True

    async def aadd(self, key: str, value: object, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:  # noqa: ANN401
        """As `add`."""
        name, ttl = self._key(key, version), self._ttl(timeout)
        lease = await self.client.backend.alease(name, seconds=SECONDS, wait=0)
        if not isinstance(lease, Lease):
            return False
        try:
            data = self.client.serializer.dumps(value)
        except SerializeError:
            await self.client.backend.agive_up(lease)
            raise
        if ttl > 0:
            return await self.client.backend.aset(name, data, ttl=ttl, lease=lease)
        await self.client.backend.agive_up(lease)
        return True

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:  # noqa: ANN401
        """Gives a value a new lifetime; whether there is one. What is set at the same moment stays as it was set."""
        name, ttl = self._key(key, version), self._ttl(timeout)
        found = self.client.backend.get(name)
        if found is None:
            return False
        if ttl <= 0:
            return self.client.delete(name)
        touched = self.client.backend.set(name, found.value, ttl=ttl, over=found)
        return touched or _is_newer(self.client.backend.get(name), found)

    async def atouch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:  # noqa: ANN401
        """As `touch`."""
        name, ttl = self._key(key, version), self._ttl(timeout)
        found = await self.client.backend.aget(name)
        if found is None:
            return False
        if ttl <= 0:
            return await self.client.adelete(name)
        touched = await self.client.backend.aset(name, found.value, ttl=ttl, over=found)
        return touched or _is_newer(await self.client.backend.aget(name), found)

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> Any:  # noqa: ANN401 - a number
        """Adds to a value and keeps its lifetime.

        The sum is stored only in place of what it was made of, else made anew: of all processes that add and set,
        nobody's addition and nobody's `set` is lost. Raises ValueError where there is no value.
        """
        name, store = self._key(key, version), self.client.backend
        found, value = self._counted(key, store.get(name), delta)
        for _ in range(TRIES):
            if store.set(name, self.client.serializer.dumps(value), ttl=found.fresh_for, over=found):
                return value
            before = found
            found, value = self._counted(key, store.get(name), delta)
            if not _is_newer(found, before):
                return value  # the cache does not take it
        raise ValueError(f"Key '{key}' is set all the time: nothing could be added to it")

    async def aincr(self, key: str, delta: int = 1, version: int | None = None) -> Any:  # noqa: ANN401 - a number
        """As `incr`."""
        name, store = self._key(key, version), self.client.backend
        found, value = self._counted(key, await store.aget(name), delta)
        for _ in range(TRIES):
            if await store.aset(name, self.client.serializer.dumps(value), ttl=found.fresh_for, over=found):
                return value
            before = found
            found, value = self._counted(key, await store.aget(name), delta)
            if not _is_newer(found, before):
                return value  # the cache does not take it
        raise ValueError(f"Key '{key}' is set all the time: nothing could be added to it")

    async def adecr(self, key: str, delta: int = 1, version: int | None = None) -> Any:  # noqa: ANN401 - a number
        """As `decr`."""
        return await self.aincr(key, -delta, version=version)

    def delete(self, key: str, version: int | None = None) -> bool:
        """Removes a value; whether there was one."""
        return self.client.delete(self._key(key, version))

    async def adelete(self, key: str, version: int | None = None) -> bool:
        """As `delete`."""
        return await self.client.adelete(self._key(key, version))

    def has_key(self, key: str, version: int | None = None) -> bool:
        """Whether there is a value; None is one."""
        return self.get(key, _MISSING, version) is not _MISSING

    async def ahas_key(self, key: str, version: int | None = None) -> bool:
        """As `has_key`."""
        return await self.aget(key, _MISSING, version) is not _MISSING

    def get_many(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        """The values that are there, in one call."""
        names = {self._key(key, version): key for key in keys}
        return self._values(names, self.client.backend.get_many(list(names)))

    async def aget_many(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        """As `get_many`."""
        names = {self._key(key, version): key for key in keys}
        return self._values(names, await self.client.backend.aget_many(list(names)))

    def set_many(
        self,
        data: Mapping[str, object],
        timeout: Any = DEFAULT_TIMEOUT,  # noqa: ANN401 - Django's
        version: int | None = None,
    ) -> list[str]:
        """Keeps several values, in one call; which keys it could not."""
        ttl, values = self._ttl(timeout), self._data(data, version)
        if ttl > 0:
            self.client.backend.set_many(values, ttl=ttl)
        else:
            for name in values:
                self.client.delete(name)
        return []

    async def aset_many(
        self,
        data: Mapping[str, object],
        timeout: Any = DEFAULT_TIMEOUT,  # noqa: ANN401 - Django's
        version: int | None = None,
    ) -> list[str]:
        """As `set_many`."""
        ttl, values = self._ttl(timeout), self._data(data, version)
        if ttl > 0:
            await self.client.backend.aset_many(values, ttl=ttl)
        else:
            for name in values:
                await self.client.adelete(name)
        return []

    def delete_many(self, keys: Iterable[str], version: int | None = None) -> None:
        """Removes several values."""
        for name in [self._key(key, version) for key in keys]:
            self.client.delete(name)

    async def adelete_many(self, keys: Iterable[str], version: int | None = None) -> None:
        """As `delete_many`."""
        for name in [self._key(key, version) for key in keys]:
            await self.client.adelete(name)

    def clear(self) -> None:
        """Removes everything, of all versions and key prefixes."""
        self.client.clear()

    async def aclear(self) -> None:
        """As `clear`."""
        await self.client.aclear()

    def _key(self, key: str, version: int | None) -> str:
        name: str = self.make_and_validate_key(key, version=version)
        return name

    def _ttl(self, timeout: Any) -> float:  # noqa: ANN401 - a number, None or Django's mark
        """Seconds; not above 0 where the value is not to be kept."""
        chosen = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        return FOREVER if chosen is None else float(chosen)

    def _set(self, name: str, value: object, ttl: float) -> None:
        data = self.client.serializer.dumps(value)
        if ttl <= 0 or not self.client.backend.set(name, data, ttl=ttl):
            self.client.delete(name)  # rather nothing than the value before

    async def _aset(self, name: str, value: object, ttl: float) -> None:
        data = self.client.serializer.dumps(value)
        if ttl <= 0 or not await self.client.backend.aset(name, data, ttl=ttl):
            await self.client.adelete(name)

    def _value(self, found: Found | None, default: object) -> object:
        if found is None:
            return default
        try:
            return self.client.serializer.loads(found.value)
        except SerializeError:  # written by another version of the program
            return default

    def _values(self, names: Mapping[str, str], found: Mapping[str, Found]) -> dict[str, Any]:
        values = {names[name]: self._value(one, _MISSING) for name, one in found.items()}
        return {key: value for key, value in values.items() if value is not _MISSING}

    def _data(self, values: Mapping[str, object], version: int | None) -> dict[str, bytes]:
        return {self._key(key, version): self.client.serializer.dumps(value) for key, value in values.items()}

    def _counted(self, key: str, found: Found | None, delta: int) -> tuple[Found, Any]:
        value: Any = self._value(found, _MISSING)
        if found is None or value is _MISSING:
            raise ValueError(f"Key '{key}' not found")
        return found, value + delta


def _is_newer(found: Found | None, before: Found) -> bool:
    """Whether something else was set since."""
    return found is not None and found.version != before.version


def _client(location: str | Sequence[str], options: dict[str, Any]) -> Cache:
    """One for each location in a process: Django makes a backend for each thread."""
    name = repr((location, sorted(options.items())))
    with _lock:
        if name not in _clients:
            _clients[name] = Cache(location or None, **{"serializer": "pickle", **options})
        return _clients[name]
