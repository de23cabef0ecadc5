"""The core's parts of the service, as the settings want them."""

import platform
import re
from typing import Final

from headrace import _core
from headrace.errors import UsageError
from headrace.ingest.streams import Streams
from headrace.settings import IngestSettings

NODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")  # part of a key in every store


def node_name(given: str | None) -> str:
    """The node's name in keys: what is given, else the host's name. Raises `UsageError` when it can't be in a key."""
    name = given or platform.node().partition(".")[0] or "local"
    if not NODE.fullmatch(name):
        hint = "use letters, digits, dots, - and _, another name for each machine: --node NAME"
        raise UsageError(f"ingest setting node cannot be {name!r}", hint=hint)
    return name


def server_options(settings: IngestSettings, named: Streams) -> _core.IngestOptions:
    """What the server takes, and when it answers. Raises `UsageError`."""
    if settings.max_reading < settings.max_length:
        raise UsageError("ingest setting max_reading is less than max_length", hint="give it room for many collections")
    return _core.IngestOptions(
        streams=named.posted,
        tokens=settings.tokens,
        max_length=settings.max_length,
        max_reading=settings.max_reading,
        ack=settings.ack,  # type: ignore[arg-type]  # the settings accept the same three words
        landing_timeout=settings.landing_timeout,
        window=settings.window,
        max_keys=settings.max_keys,
    )
