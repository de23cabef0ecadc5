"""`cached`: keeps what a function gives."""

import functools
import inspect
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, overload

from headrace.cache.cache import LONGEST, Cache
from headrace.cache.coroutines import CachedCoroutineFunction
from headrace.cache.decorated import Binds, P, R, Store
from headrace.cache.errors import DecorationError
from headrace.cache.functions import CachedFunction
from headrace.cache.policy import Keeps, Policy, Save
from headrace.cache.serializers import Serializer
from headrace.cache.serializers import serializer as serializer_named
from headrace.cache.shared import shared_cache
from headrace.cache.template import key_maker, tags_maker
from headrace.cache.typed import for_type
from headrace.settings.values import UnreadableError, read_duration

Lifetime = float | str


def cached(
    *,
    ttl: Lifetime,
    stale: Lifetime = 0,
    key: str | None = None,
    tags: Sequence[str] = (),
    cache: Cache | str | None = None,
    serializer: Serializer | str | None = None,
    save: Save = "now",
    cache_if: Keeps | None = None,
    unless: Keeps | None = None,
    wait: Lifetime = "10s",
    lease: Lifetime = "30s",
) -> "Decorator":
    """Keeps what a function or a coroutine function gives, and calls it once for all who want the same.

    Example:
        @cached(ttl="10m", stale="1h", key="post:{post_id}", tags=["posts"])
        async def show_post(post_id: int) -> dict[str, str]: ...

        await show_post(3)
        await show_post.hit(3)           # Hit(value=..., age=12.5, stale=False, source="memory")
        await show_post.invalidate(3)

    A value is fresh for `ttl`, then used for `stale` more while one caller has it renewed in the background. `key` and
    `tags` are templates of the arguments (`headrace.cache.template`); without `key` all arguments count. `cache` is a
    `Cache` or a URL; default `$HEADRACE_CACHE_URL`, else the memory of this process. `serializer`: default the
    cache's, told the type that the function says it returns. `save="later"` gives the value before it is kept.
    `cache_if` keeps a value only where it holds, `unless` only where it does not. Callers wait at most `wait` for
    another's value, then they call the function. A call that takes longer than `lease` is not kept.

    Lifetimes are seconds or texts like "10m". Raises `DecorationError`, which is a `ValueError`, for what does not fit
    the function; what the function raises is raised to all who wait, and not kept.
    """
    seconds = _lifetimes(ttl=ttl, stale=stale, wait=wait, lease=lease)
    if save not in ("now", "later"):
        raise DecorationError(f"cached(save={save!r}) is not understood", hint='say "now" or "later"')
    keeps = [cache_if] if cache_if else []
    if unless:
        keeps.append(lambda value: not unless(value))
    return Decorator(Policy(**seconds, save=save, keeps=keeps), key, tags, _store(cache), serializer)


class Decorator:
    """`cached` with its options; makes a `CachedFunction` or a `CachedCoroutineFunction`."""

    def __init__(
        self,
        policy: Policy,
        key: str | None,
        tags: Sequence[str],
        store: Callable[[], Store],
        serializer: Serializer | str | None,
    ) -> None:
        self._policy = policy
        self._key = key
        self._tags = tags
        self._store = store
        self._serializer = serializer

    @overload
    def __call__(  # type: ignore[overload-overlap] # a coroutine function is a function too: the first one counts
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> CachedCoroutineFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> CachedFunction[P, R]: ...
    @overload
    def __call__(self, function: "classmethod[Any, P, R] | staticmethod[P, R]", /) -> CachedFunction[P, R]: ...
    def __call__(self, function: Any, /) -> Any:
        """Decorates a function, a method, a `classmethod` or a `staticmethod`."""
        binds: Binds = "instance"
        if isinstance(function, classmethod | staticmethod):
            binds = "class" if isinstance(function, classmethod) else "nothing"
            function = function.__func__
        kind = CachedCoroutineFunction[Any, Any] if _is_coroutine_function(function) else CachedFunction[Any, Any]
        return kind(
            function,
            key=key_maker(function, self._key),
            tags=tags_maker(function, self._tags),
            policy=self._policy,
            store=self._store,
            serializer=functools.partial(self._serializer_of, function),
            binds=binds,
        )

    def _serializer_of(self, function: Callable[..., object], store: Store) -> Serializer:
        if self._serializer is not None and not isinstance(self._serializer, str):
            return self._serializer
        named = serializer_named(self._serializer) if self._serializer else store.serializer
        return for_type(named, _returned(function))


def _is_coroutine_function(function: Any) -> bool:  # noqa: ANN401 - whatever was decorated
    """Raises `DecorationError` for what is neither a function nor a coroutine function."""
    if not callable(function) or isinstance(function, type):
        raise DecorationError(f"cached() on {function!r}: it is no function", hint='write @cached(ttl="10m")')
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DecorationError(
            f"cached() on {function.__module__}.{function.__qualname__}: a generator gives its values only once",
            hint="return a list",
        )
    if not hasattr(function, "__qualname__"):
        raise DecorationError(f"cached() on {function!r}: it has no name", hint="put it into a function")
    return inspect.iscoroutinefunction(function)


def _returned(function: Callable[..., object]) -> object:
    """The type that a function says it returns; Any where it says none, or names what is not there at run time."""
    try:
        return inspect.get_annotations(function, eval_str=True).get("return", Any)
    except Exception:  # noqa: BLE001 - annotations may be any expression
        return Any


def _store(cache: Cache | str | None) -> Callable[[], Store]:
    if cache is None or isinstance(cache, str):
        return functools.partial(shared_cache, cache)
    return lambda: cache


def _lifetimes(**told: Lifetime) -> dict[str, float]:
    seconds = {name: _seconds(name, value) for name, value in told.items()}
    for name in ("ttl", "lease"):
        if seconds[name] == 0:
            raise DecorationError(
                f"cached({name}={told[name]!r}) keeps nothing", hint='give seconds or a text like "10m"'
            )
    return seconds


def _seconds(name: str, value: Lifetime) -> float:
    try:
        seconds = read_duration(value)
    except UnreadableError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise DecorationError(f"cached({name}={value!r}) is no duration", hint='give seconds or a text like "10m"')
    return min(seconds, LONGEST)
