"""What a decorated function gives when it is asked where its value comes from."""

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from headrace.cache.backend import Source

R = TypeVar("R")


@dataclass(frozen=True)
class Hit(Generic[R]):
    """A value and where it comes from.

    Example: `show_post.hit(3)` gives `Hit(value={...}, age=12.5, stale=False, source="memory")`.

    `age` is in seconds since the value was kept. `source` is the kind of cache, or "call" where the function was called
    for it, by this caller or by another one who wanted it at the same time; `age` is 0 then.
    """

    value: R
    age: float
    stale: bool
    source: Source | Literal["call"]
