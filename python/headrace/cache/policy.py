"""What `cached` was told about a function, and what the calls of functions and of coroutine functions share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Literal

from headrace.cache.backend import Found, Source
from headrace.cache.errors import SerializeError
from headrace.cache.hit import Hit
from headrace.cache.serializers import Serializer

Save = Literal["now", "later"]
Keeps = Callable[[Any], bool]


@dataclass(frozen=True)
class Policy:
    """What `cached` was told; lifetimes and waits in seconds."""

    ttl: float
    stale: float
    wait: float  # how long a caller waits for another one's value, before it calls the function itself
    lease: float  # how long a call may take; its value is not kept if it takes longer
    save: Save
    keeps: Sequence[Keeps]  # all must hold for a value


@dataclass(frozen=True)
class Answer:
    """What a flight brings: bytes, so that each who waits has a value of its own, or what is not kept, as it is."""

    data: bytes | None
    value: object = None
    age: float = 0
    stale: bool = False
    source: Source | Literal["call"] = "call"


class Reader:
    """Between values and what is kept of them."""

    def __init__(self, serializer: Serializer, keeps: Sequence[Keeps]) -> None:
        self.loads = serializer.loads
        self._dumps = serializer.dumps
        self._keeps = keeps

    def found(self, found: Found | None) -> Hit[Any] | None:
        """What the cache has; what another version of the program wrote and can't be read counts as not there."""
        if found is None:
            return None
        try:
            return Hit(self.loads(found.value), found.age, found.fresh_for <= 0, found.source)
        except SerializeError:
            return None

    def answer(self, found: Found) -> Answer | None:
        """The same for all who wait."""
        hit = self.found(found)
        return None if hit is None else Answer(found.value, None, hit.age, hit.stale, hit.source)

    def called(self, value: object) -> Answer:
        """What the function gave. Raises `SerializeError` for a value that is to be kept and can't be."""
        if not all(keeps(value) for keeps in self._keeps):
            return Answer(None, value)
        return Answer(self._dumps(value))

    def hit(self, answer: Answer) -> Hit[Any]:
        """The answer for one of those who wait."""
        value = answer.value if answer.data is None else self.loads(answer.data)
        return Hit(value, answer.age, answer.stale, answer.source)


class _Call:
    """A call of a function for a key."""

    __slots__ = ("key", "over", "owner")

    def __init__(self, owner: object, key: str) -> None:
        self.owner = owner
        self.key = key
        self.over = False  # tasks that the function began have its context for longer than it runs


_calls: Final[ContextVar[tuple[_Call, ...]]] = ContextVar("headrace_calls", default=())


@contextmanager
def calling(owner: object, key: str) -> Iterator[None]:
    """Notes, for the calls within, that this function is being called for this key: they must not wait for it."""
    call = _Call(owner, key)
    token = _calls.set((*_calls.get(), call))
    try:
        yield
    finally:
        call.over = True
        _calls.reset(token)


def is_called(owner: object, key: str) -> bool:
    """Whether the caller is part of a call of this function for this key."""
    return any(call.owner is owner and call.key == key and not call.over for call in _calls.get())
