"""headrace: the scale-out kit for Python web apps."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from headrace.errors import HeadraceError, OperationError, UsageError

if TYPE_CHECKING:
    from headrace.balancer.purge import purge
    from headrace.cache.cache import Cache
    from headrace.cache.decorator import cached

__all__ = ["Cache", "HeadraceError", "OperationError", "UsageError", "cached", "purge"]

# Imported when it is asked for, so that a program has what it uses and no more.
LAZY: Final = {
    "Cache": "headrace.cache.cache",
    "cached": "headrace.cache.decorator",
    "purge": "headrace.balancer.purge",
}


def __getattr__(name: str) -> object:
    if name in LAZY:
        return getattr(import_module(LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
