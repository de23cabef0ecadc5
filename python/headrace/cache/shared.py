"""The caches that decorated functions have in common: one for each URL, opened once in a process."""

import os
import threading
from typing import Final

from headrace.cache.cache import Cache
from headrace.cache.opening import URL_VARIABLE

_caches: Final[dict[str, Cache]] = {}
_lock: Final = threading.Lock()


def shared_cache(url: str | None = None) -> Cache:
    """The cache behind `url`; default `$HEADRACE_CACHE_URL`, else `memory://`.

    Example: `shared_cache("memory://") is shared_cache("memory://")`.
    """
    where = url or os.environ.get(URL_VARIABLE) or "memory://"
    with _lock:
        if where not in _caches:
            _caches[where] = Cache(where)
        return _caches[where]
