"""The core's parts of the cache, as the settings want them."""

from headrace import _core
from headrace.errors import UsageError
from headrace.service.access import is_local
from headrace.settings import CacheSettings
from headrace.settings.values import show_size


def open_store(settings: CacheSettings) -> _core.Store:
    """An empty store. Raises `UsageError` where it has no room for one value."""
    if settings.max_value >= settings.max_bytes:
        value, room = show_size(settings.max_value), show_size(settings.max_bytes)
        message = f"cache setting max_value is not less than max_bytes ({value}, {room})"
        raise UsageError(message, hint="say a larger max_bytes, or a smaller max_value")
    return _core.Store(max_bytes=settings.max_bytes, max_value=settings.max_value)


def server_options(settings: CacheSettings, token: str) -> _core.CacheOptions:
    """What the server takes. Raises `UsageError`."""
    if settings.max_reading < max(settings.max_value, settings.max_batch):
        message = "cache setting max_reading is less than max_value or max_batch"
        raise UsageError(message, hint="give it room for many bodies")
    if settings.open and not is_local(settings.address):
        hint = "listen on 127.0.0.1 only, or leave open out and send the token"
        raise UsageError(f"cache setting open cannot go with the address {settings.address}", hint=hint)
    return _core.CacheOptions(
        tokens=() if settings.open else (token,),
        max_value=settings.max_value,
        max_batch=settings.max_batch,
        max_reading=settings.max_reading,
    )
