"""A store for tests of what stands on a backend: a dict, whose time is the test's and which can be away."""

import asyncio
import threading
import time
from collections.abc import Callable

from headrace.cache.backend import Found, Lease
from headrace.cache.serializers import Json


class DictBackend:
    """`Backend` in a dict. `passed` seconds are added to the time; `away` makes it hold nothing."""

    def __init__(self):
        self.entries = {}
        self.leases = {}
        self.passed = 0.0
        self.away = False
        self.calls = []
        self._changed = threading.Condition()
        self._numbers = iter(range(1, 1 << 30))

    def _now(self):
        return time.monotonic() + self.passed

    def get(self, key):
        self.calls.append("get")
        with self._changed:
            return self._found(key)

    def _found(self, key):
        value, at, ttl, stale, _ = entry = self.entries.get(key, (None, 0, 0, 0, ()))
        age = self._now() - at
        if value is None or age > ttl + stale or self.away:
            return None
        return Found(value, age, ttl - age, stale, "memory", version=id(entry))

    def get_many(self, keys):
        return {key: found for key in keys if (found := self.get(key))}

    def set(self, key, value, *, ttl, stale=0, tags=(), lease=None, over=None):
        self.calls.append("set")
        with self._changed:
            if self.away or (lease and self.leases.get(key) != lease.id):
                return False
            if over and getattr(self._found(key), "version", None) != over.version:
                return False
            self.leases.pop(key, None)
            self.entries[key] = (value, self._now(), ttl, stale, tuple(tags))
            self._changed.notify_all()
            return True

    def set_many(self, values, *, ttl, stale=0, tags=()):
        for key, value in values.items():
            self.set(key, value, ttl=ttl, stale=stale, tags=tags)

    def lease(self, key, *, seconds, wait):
        deadline = time.monotonic() + wait
        with self._changed:
            while (leased := self._lease(key)) is None and not self.away and time.monotonic() < deadline:
                self._changed.wait(deadline - time.monotonic())
            return leased

    def _lease(self, key):
        found = self._found(key)
        if self.away or (found and (found.fresh_for > 0 or key in self.leases)):
            return found
        if key in self.leases:
            return None
        self.leases[key] = next(self._numbers)
        return Lease(key, self.leases[key], found)

    def give_up(self, lease):
        with self._changed:
            if self.leases.get(lease.key) == lease.id:
                del self.leases[lease.key]
            self._changed.notify_all()

    def delete(self, key):
        return self.invalidate(key=key) > 0

    def invalidate(self, *, key=None, tag=None, prefix=None, soft=False):
        def meant(name, tags):
            return name == key or tag in tags or (prefix is not None and name.startswith(prefix))

        with self._changed:
            if self.away:
                return 0
            self.leases.pop(key, None)
            names = [name for name, entry in self.entries.items() if meant(name, entry[4])]
            for name in names:
                value, _, _, stale, tags = self.entries.pop(name)
                self.leases.pop(name, None)
                if soft and stale:
                    self.entries[name] = (value, self._now(), 0, stale, tags)
            self._changed.notify_all()
            return len(names)

    def clear(self):
        self.invalidate(prefix="")

    def close(self): ...

    async def aget(self, key):
        return self.get(key)

    async def aget_many(self, keys):
        return self.get_many(keys)

    async def aset(self, key, value, **options):
        await asyncio.sleep(0)
        return self.set(key, value, **options)

    async def aset_many(self, values, **options):
        self.set_many(values, **options)

    async def alease(self, key, *, seconds, wait):
        deadline = time.monotonic() + wait
        while True:
            leased = self.lease(key, seconds=seconds, wait=0)
            if leased is not None or self.away or time.monotonic() >= deadline:
                return leased
            await asyncio.sleep(0.002)

    async def agive_up(self, lease):
        self.give_up(lease)

    async def adelete(self, key):
        return self.delete(key)

    async def ainvalidate(self, **options):
        return self.invalidate(**options)

    async def aclear(self):
        self.clear()

    async def aclose(self): ...


class DictCache:
    """What `cached` needs of a `Cache`."""

    def __init__(self):
        self.backend = DictBackend()
        self.serializer = Json()


def eventually(holds: Callable[[], object], seconds: float = 20) -> None:
    """Waits until `holds()`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.002)
