"""`redis://HOST:PORT/DB`: values in Redis or Valkey, for those who have one (`pip install "headrace[redis]"`).

An entry is a hash `headrace:e:KEY`: the value, its tags and its lifetime; Redis itself ends it. A tag is a set of keys.
Each call is one script, so that nobody sees half of it. How old a value is follows from how long Redis will keep it, so
that clocks of clients don't matter.

A lease knows how many invalidations there had been when it was taken: a value computed before one of its key, tags or
prefixes is not stored after it. An invalidation by prefix walks over all keys of the database, like Redis's own `SCAN`.

Given up: Redis Cluster, whose scripts may only touch keys of one slot.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from json import dumps
from typing import Any, Final

from headrace.cache.backend import Found, Lease
from headrace.cache.circuit import Circuit
from headrace.cache.errors import AwayError, CacheError, DeniedError, RefusedError
from headrace.cache.outage import Outage
from headrace.cache.threads import Blocking
from headrace.errors import UsageError

NAME: Final = "headrace:"
LONGEST: Final = 3_600_000  # milliseconds of a lease; marks are kept for as long
FRESH: Final = 2  # what `LEASE` says where a value came meanwhile
TOGETHER: Final = 500  # keys that a scan looks at in a step

# Removes an entry and takes its key out of its tags. Part of other scripts.
DROP: Final = """
local function drop(key)
    local entry = 'headrace:e:' .. key
    local tags = redis.call('HGET', entry, 'tags')
    if not tags then return 0 end
    for _, tag in ipairs(cjson.decode(tags)) do redis.call('SREM', 'headrace:t:' .. tag, key) end
    redis.call('DEL', entry)
    return 1
end
local function soften(key)
    local entry = 'headrace:e:' .. key
    local known = redis.call('HMGET', entry, 'life', 'stale')
    if not known[1] then return 0 end
    local left, stale = redis.call('PTTL', entry), tonumber(known[2])
    if left > stale then
        redis.call('HSET', entry, 'life', tonumber(known[1]) - left + stale)
        redis.call('PEXPIRE', entry, stale)
    end
    return 1
end
"""

# ARGV: key, value, ttl, stale, tags as JSON, lease or '', and perhaps the version in whose place it is stored. 0 where
# the lease was lost, or that version is no longer there and fresh.
SET: Final = (
    DROP
    + """
local key, lease = ARGV[1], ARGV[6]
local tags = cjson.decode(ARGV[5])
if lease ~= '' then
    local held = redis.call('HMGET', 'headrace:l:' .. key, 'id', 'mark')
    if held[1] ~= lease then return 0 end
    redis.call('DEL', 'headrace:l:' .. key)
    for _, tag in ipairs(tags) do
        local mark = redis.call('GET', 'headrace:m:' .. tag)
        if mark and tonumber(mark) > tonumber(held[2]) then return 0 end
    end
    for _, prefix in ipairs(redis.call('ZRANGEBYSCORE', 'headrace:prefixes', '(' .. held[2], '+inf')) do
        if string.sub(key, 1, #prefix) == prefix then return 0 end
    end
end
local entry, life = 'headrace:e:' .. key, ARGV[3] + ARGV[4]
if ARGV[7] then
    local known = redis.call('HMGET', entry, 'version', 'stale')
    if known[1] ~= ARGV[7] or redis.call('PTTL', entry) <= tonumber(known[2]) then return 0 end
end
drop(key)
local version = redis.call('INCR', 'headrace:versions')
redis.call('HSET', entry, 'value', ARGV[2], 'life', life, 'stale', ARGV[4], 'tags', ARGV[5], 'version', version)
redis.call('PEXPIRE', entry, life)
for _, tag in ipairs(tags) do
    local set = 'headrace:t:' .. tag
    redis.call('SADD', set, key)
    if redis.call('PTTL', set) < life then redis.call('PEXPIRE', set, life) end
end
return 1
"""
)

# ARGV: key, id, milliseconds. 1 where the lease was granted; 2 where there is a fresh value.
LEASE: Final = """
local entry = 'headrace:e:' .. ARGV[1]
local stale = redis.call('HGET', entry, 'stale')
if stale and redis.call('PTTL', entry) > tonumber(stale) then return 2 end
local lease = 'headrace:l:' .. ARGV[1]
if redis.call('EXISTS', lease) == 1 then return 0 end
redis.call('HSET', lease, 'id', ARGV[2], 'mark', redis.call('GET', 'headrace:marks') or '0')
redis.call('PEXPIRE', lease, ARGV[3])
return 1
"""

# ARGV: key, id.
GIVE_UP: Final = """
local lease = 'headrace:l:' .. ARGV[1]
if redis.call('HGET', lease, 'id') == ARGV[2] then redis.call('DEL', lease) end
"""

# ARGV: 'key' or 'tag', name, '1' where soft, milliseconds that marks are kept. How many it met.
INVALIDATE: Final = (
    DROP
    + """
local meet = ARGV[3] == '1' and soften or drop
if ARGV[1] == 'key' then
    redis.call('DEL', 'headrace:l:' .. ARGV[2])
    return meet(ARGV[2])
end
redis.call('SET', 'headrace:m:' .. ARGV[2], redis.call('INCR', 'headrace:marks'), 'PX', ARGV[4])
local count = 0
for _, key in ipairs(redis.call('SMEMBERS', 'headrace:t:' .. ARGV[2])) do count = count + meet(key) end
return count
"""
)

# ARGV: prefix, milliseconds that marks are kept.
MARK_PREFIX: Final = """
redis.call('ZADD', 'headrace:prefixes', redis.call('INCR', 'headrace:marks'), ARGV[1])
redis.call('PEXPIRE', 'headrace:prefixes', ARGV[2])
"""


class RedisBackend(Blocking):
    """Values in Redis. `timeout` is in seconds, to connect and for a call each.

    Example: `RedisBackend("redis://127.0.0.1:6379/0", timeout=0.25).get("post:3")`.

    Raises `UsageError` without the package `redis`, or for a URL that is none.
    """

    def __init__(self, url: str, *, timeout: float) -> None:
        try:
            import redis  # noqa: PLC0415 - an extra
            from redis.backoff import NoBackoff  # noqa: PLC0415
            from redis.retry import Retry  # noqa: PLC0415
        except ImportError:
            raise UsageError(f"{_shown(url)} needs Redis's client", hint='pip install "headrace[redis]"') from None
        self._errors = redis.exceptions
        # A kept connection may have been closed meanwhile; what took too long once is not waited for again.
        retry = Retry(NoBackoff(), 1, supported_errors=(redis.exceptions.ConnectionError,))
        try:
            client = redis.Redis.from_url(
                url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=retry, decode_responses=False
            )
        except ValueError as error:
            raise UsageError(f"{_shown(url)} is not the URL of a Redis ({error})", hint="redis://HOST:6379/0") from None
        self._client: Any = client
        self._outage = Outage(_shown(url))
        self._circuit = Circuit()
        scripts = (SET, LEASE, GIVE_UP, INVALIDATE, MARK_PREFIX)
        self._set, self._lease, self._give_up, self._invalidate, self._mark = map(client.register_script, scripts)

    def get(self, key: str) -> Found | None:
        """As `Backend.get`."""
        return self.get_many([key]).get(key)

    def get_many(self, keys: Sequence[str]) -> dict[str, Found]:
        """As `Backend.get_many`."""
        with self._asking():
            pipeline = self._client.pipeline(transaction=False)
            for key in keys:
                pipeline.hmget(f"{NAME}e:{key}", "value", "life", "stale", "version")
                pipeline.pttl(f"{NAME}e:{key}")
            answers = pipeline.execute()
        found = zip(keys, answers[::2], answers[1::2], strict=True)
        return {key: _found(known, left) for key, known, left in found if known[0] is not None and left > 0}

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
        with self._asking():
            condition = [str(over.version)] if over else []
            return bool(self._set(args=[*_new(key, value, ttl, stale, tags, lease), *condition]))

    def set_many(self, values: Mapping[str, bytes], *, ttl: float, stale: float = 0, tags: Sequence[str] = ()) -> None:
        """As `Backend.set_many`."""
        with self._asking():
            pipeline = self._client.pipeline(transaction=False)
            for key, value in values.items():
                self._set(args=_new(key, value, ttl, stale, tags, None), client=pipeline)
            pipeline.execute()

    def leased(self, key: str, seconds: float) -> Found | Lease | None:
        """As `Backend.lease` with no time to wait."""
        found = self.get(key)
        if found is not None and found.fresh_for > 0:
            return found
        lease = secrets.token_hex(8)
        with self._asking():
            granted = self._lease(args=[key, lease, min(_milliseconds(seconds), LONGEST)])
        if granted == FRESH:
            # It came between the two looks.
            return self.get(key)
        return Lease(key, lease, found) if granted else found

    def give_up(self, lease: Lease) -> None:
        """As `Backend.give_up`."""
        with self._asking():
            self._give_up(args=[lease.key, str(lease.id)])

    def delete(self, key: str) -> bool:
        """As `Backend.delete`."""
        return self.invalidate(key=key) > 0

    def invalidate(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """As `Backend.invalidate`."""
        with self._asking():
            if key is not None:
                return int(self._invalidate(args=["key", key, int(soft), LONGEST]))
            if tag is not None:
                return int(self._invalidate(args=["tag", tag, int(soft), LONGEST]))
            self._mark(args=[prefix or "", LONGEST])
            start = f"{NAME}e:{prefix or ''}"
            found = self._client.scan_iter(match=_literally(start) + "*", count=TOGETHER)
            keys = {one[len(f"{NAME}e:") :] for one in found}
            return sum(int(self._invalidate(args=["key", one, int(soft), LONGEST])) for one in keys)

    def close(self) -> None:
        """As `Backend.close`."""
        self._client.close()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Raises `CacheError` for what Redis and the way to it may do."""
        if not self._circuit.admits():
            raise AwayError("Redis failed a moment ago and is not asked")
        errors = self._errors
        try:
            yield
        except (errors.AuthenticationError, errors.NoPermissionError) as error:
            raise self._failed(DeniedError(f"Redis does not let this program in: {error}")) from error
        except errors.OutOfMemoryError as error:
            raise RefusedError(f"Redis takes no more: {error}") from error
        except UnicodeEncodeError as error:
            raise RefusedError(f"a key or a tag is no text: {error}") from error
        except (errors.RedisError, OSError) as error:
            raise self._failed(AwayError(f"Redis does not answer: {error}")) from error
        self._circuit.succeeded()
        if self._outage.lasts:
            self._outage.ends()

    def _failed(self, error: CacheError) -> CacheError:
        self._circuit.failed()
        return self._outage.begins(error)


def _new(
    key: str, value: bytes, ttl: float, stale: float, tags: Sequence[str], lease: Lease | None
) -> list[str | bytes | int]:
    life = (max(1, _milliseconds(ttl)), _milliseconds(stale))
    return [key, value, *life, dumps(list(tags), ensure_ascii=False), str(lease.id) if lease else ""]


def _found(known: Sequence[bytes], left: int) -> Found:
    value, life, stale, version = known
    fresh = left - int(stale)
    age, fresh_for = float(life) - left, max(0, fresh)
    times = max(0.0, age) / 1000, fresh_for / 1000, min(left, int(stale)) / 1000
    return Found(value, *times, "redis", version=int(version) if version else None)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _literally(text: str) -> str:
    """For a pattern of Redis's: what would mean more stands for itself."""
    return "".join(f"\\{letter}" if letter in "\\*?[]^" else letter for letter in text)


def _shown(url: str) -> str:
    """Without a password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
