"""What decorated functions and decorated coroutine functions have in common: what they were told, and their cache."""

import copy
import functools
import os
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, ParamSpec, Protocol, TypeVar, cast

from headrace import _core
from headrace.cache.backend import Backend
from headrace.cache.background import Renewals
from headrace.cache.flight import Flights
from headrace.cache.policy import Answer, Policy, Reader
from headrace.cache.serializers import Serializer
from headrace.cache.template import Maker
from headrace.cache.typed import TYPED

if TYPE_CHECKING:
    from typing_extensions import Self

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
Binds = Literal["instance", "class", "nothing"]
MISSING: Final = object()


class Store(Protocol):
    """What is needed of a `Cache`."""

    @property
    def backend(self) -> Backend:
        """Where values are."""

    @property
    def serializer(self) -> Serializer:
        """How they become bytes."""


class Decorated(Generic[P]):
    """A function with its key, its tags and its cache, which is opened by the first call."""

    def __init__(
        self,
        function: Callable[P, Any],
        *,
        key: Maker,
        tags: Maker,
        policy: Policy,
        store: Callable[[], Store],
        serializer: Callable[[Store], Serializer],
        binds: Binds,
    ) -> None:
        functools.update_wrapper(cast("Any", self), function)  # first: it copies the attributes that the function has
        self.uncached = function
        self.key: Callable[P, str] = key
        self.tags: Callable[P, list[str]] = tags
        self._policy = policy
        self._store = store
        self._serializer = serializer
        self._binds = binds
        self._flights: Flights[Answer] = Flights()
        self._renewals = Renewals(f"{function.__module__}.{function.__qualname__}")
        self._close()
        _all.add(self)

    def _close(self) -> None:
        self._opened = False
        self._direct: Callable[[str], Any] = self._first

    def _open(self) -> None:
        """Finds the cache. `_direct` is the short way to fresh values in this process; `MISSING` without one."""
        if not self._opened:
            store = self._store()
            serializer = self._serializer(store)
            self._backend = store.backend
            self._reader = Reader(serializer, self._policy.keeps)
            near: _core.Store | None = getattr(store.backend, "store", None)
            self._direct = _nothing if near is None else _values(near, serializer)
            self._opened = True

    def _first(self, key: str) -> Any:  # noqa: ANN401 - the function's own
        self._open()
        return self._direct(key)

    def _bound(self, instance: object, owner: type | None) -> "Self":
        """As a method of an object or a class: the same function, whose first argument is known."""
        if self._binds == "nothing" or (instance is None and self._binds == "instance"):
            return self
        self._open()
        first = (owner or type(instance)) if self._binds == "class" else instance
        bound: Any = copy.copy(self)
        for name in ("uncached", "key", "tags"):
            setattr(bound, name, partial(getattr(self, name), first))
        return cast("Self", bound)


def _nothing(_: str) -> object:
    """There is no short way."""
    return MISSING


def _values(store: _core.Store, serializer: Serializer) -> Callable[[str], Any]:
    """Only of our own serializers is it known that the same bytes are the same plain data."""
    return _core.Values(store, serializer.loads, MISSING, plain=type(serializer) in TYPED).get


def _close_all() -> None:
    for decorated in list(_all):
        decorated._close()  # noqa: SLF001 - of this file


_all: "weakref.WeakSet[Decorated[Any]]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_close_all)
