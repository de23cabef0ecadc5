"""What decorated functions and decorated coroutine functions have in common: what they were told, and their cache."""

import copy
import functools
import os
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, Protocol, TypeVar, cast

from headrace.cache.backend import Backend
from headrace.cache.background import Renewals
from headrace.cache.flight import Flights
from headrace.cache.guarded import Raw
from headrace.cache.policy import Answer, Policy, Reader
from headrace.cache.serializers import Serializer
from headrace.cache.template import Maker

if TYPE_CHECKING:
    from typing_extensions import Self

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
Binds = Literal["instance", "class", "nothing"]
Direct = Callable[[str], Raw | None]


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
        self._direct: Direct = self._first

    def _open(self) -> None:
        """Finds the cache. `_direct` is the short way to it, for the values that are in this process."""
        if not self._opened:
            store = self._store()
            self._backend = store.backend
            self._reader = Reader(self._serializer(store), self._policy.keeps)
            self._loads: Callable[[bytes], Any] = self._reader.loads
            self._direct = getattr(store.backend, "direct", None) or _nothing
            self._opened = True

    def _first(self, key: str) -> Raw | None:
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


def _nothing(_: str) -> None:
    """There is no short way."""


def _close_all() -> None:
    for decorated in list(_all):
        decorated._close()  # noqa: SLF001 - of this file


_all: "weakref.WeakSet[Decorated[Any]]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_close_all)
