"""URLs, and the backends behind them."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from headrace.cache.backend import Backend
from headrace.errors import UsageError
from headrace.service.credentials import authority_for, state_folder, token_for
from headrace.settings.values import UnreadableError, read_size

URL_VARIABLE: Final = "HEADRACE_CACHE_URL"
TOKEN_VARIABLE: Final = "HEADRACE_CACHE_TOKEN"  # noqa: S105 - the variable's name, not its value
DEFAULT: Final = "https://127.0.0.1:5000"
MEMORY: Final = 64 << 20  # bytes of memory://
DISK: Final = 1 << 30  # bytes of disk://


def where(url: str | Sequence[str] | None, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The URLs of a cache: as given, else `$HEADRACE_CACHE_URL` (commas between them), else the service here.

    Example: `where(["https://10.0.0.1:5000", "https://10.0.0.2:5000"])`. Raises `UsageError` for what is no text.
    """
    given = environ.get(URL_VARIABLE, "") if url is None else url
    urls = given.split(",") if isinstance(given, str) else given
    if not isinstance(urls, Sequence) or not all(isinstance(url, str) for url in urls):
        raise UsageError(f"{given!r} is not the URL of a cache", hint="give a text, or a list of them")
    return tuple(url.strip() for url in urls if url.strip()) or (DEFAULT,)


def opened(
    urls: Sequence[str],
    *,
    token: str | None = None,
    ca: str | Path | None = None,
    timeout: float = 0.25,
    near: int | None = None,
) -> Backend:
    """The backend of these URLs. `timeout` is in seconds, `near` in bytes.

    Example: `opened(["https://127.0.0.1:5000"], near=16 << 20)`. Raises `UsageError` for a URL that is none of a
    cache's.
    """
    kind = urlsplit(urls[0]).scheme
    if kind in ("http", "https"):
        return _service(urls, token, ca, timeout, near)
    if len(urls) > 1 or near is not None:
        raise UsageError(f"{urls[0]} is one store of its own", hint="several, and near=, are for https://")
    if kind not in LOCAL:
        forms = "memory://, disk://FOLDER, redis://HOST or https://HOST:PORT"
        raise UsageError(f"{urls[0]} is not the URL of a cache", hint=f"give {forms}")
    return LOCAL[kind](urls[0], timeout)


def _service(
    urls: Sequence[str], token: str | None, ca: str | Path | None, timeout: float, near: int | None
) -> Backend:
    from headrace.cache.remote import Remote  # noqa: PLC0415 - only what is used
    from headrace.cache.spread import Spread  # noqa: PLC0415

    folder = state_folder(None, os.environ)
    servers: dict[str, Backend] = {}
    for url in urls:
        found = token if token is not None else os.environ.get(TOKEN_VARIABLE) or token_for(url, folder, os.environ)
        authority = authority_for(url, ca, folder)
        servers[url] = Remote(url, token=found, ca=authority, timeout=timeout, with_tags=bool(near))
        if near:
            servers[url] = _with_near(servers[url], url, found, authority, near // len(urls))
    return servers[urls[0]] if len(servers) == 1 else Spread(servers)


def _with_near(far: Backend, url: str, token: str, ca: str | None, near: int) -> Backend:
    from headrace.cache.following import Follower  # noqa: PLC0415 - only what is used
    from headrace.cache.near import Near  # noqa: PLC0415

    return Near(
        far,
        max_bytes=near,
        follow=lambda change, lost: Follower(url, token=token, ca=ca, change=change, lost=lost),
    )


def _memory(url: str, _: float) -> Backend:
    from headrace.cache.memory import MemoryBackend  # noqa: PLC0415 - only what is used

    return MemoryBackend(_max_bytes(url, MEMORY))


def _disk(url: str, _: float) -> Backend:
    from headrace.cache.disk import DiskBackend  # noqa: PLC0415 - only what is used

    parts = urlsplit(url)
    folder = parts.netloc + parts.path
    if not folder:
        raise UsageError(f"{url} names no folder", hint="disk:///var/cache/app, or disk://folder below this one")
    return DiskBackend(Path(folder), max_bytes=_max_bytes(url, DISK))


def _redis(url: str, timeout: float) -> Backend:
    from headrace.cache.redis import RedisBackend  # noqa: PLC0415 - only what is used

    return RedisBackend(url, timeout=timeout)


LOCAL: Final[Mapping[str, Callable[[str, float], Backend]]] = {
    "memory": _memory,
    "disk": _disk,
    "redis": _redis,
    "rediss": _redis,
}


def _max_bytes(url: str, default: int) -> int:
    """What `?max_bytes=512m` says."""
    options = parse_qs(urlsplit(url).query, keep_blank_values=True)
    given = options.pop("max_bytes", None)
    if options:
        raise UsageError(f"{url}: there is no option {next(iter(options))!r}", hint="there is ?max_bytes=512m")
    try:
        return read_size(given[-1]) if given else default
    except UnreadableError:
        raise UsageError(f"{url}: max_bytes is no size", hint="like ?max_bytes=512m") from None
