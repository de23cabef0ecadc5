"""The core's parts of the service, as the settings want them."""

import platform
import re
from pathlib import Path
from typing import Final

from headrace import _core
from headrace.errors import OperationError, UsageError
from headrace.ingest.streams import Streams
from headrace.settings import ClientLimits, IngestSettings
from headrace.state import reason

SEGMENT: Final = 64 << 20  # bytes of a journal's file, where the journal has room for a few of them
FEW: Final = 8
NODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")  # part of a key in every store


def node_name(given: str | None) -> str:
    """The node's name in keys: what is given, else the host's name. Raises `UsageError` when it can't be in a key."""
    name = given or platform.node().partition(".")[0] or "local"
    if not NODE.fullmatch(name):
        hint = "use letters, digits, dots, - and _, another name for each machine: --node NAME"
        raise UsageError(f"ingest setting node cannot be {name!r}", hint=hint)
    return name


def open_journal(settings: IngestSettings, node: str, folder: Path) -> _core.Journal:
    """The journal below `folder`, recovered. Raises `JournalError`, `OperationError` when the folder can't be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OperationError(f"cannot make the folder {folder}: {reason(error)}") from error
    return _core.Journal(
        folder / "journal",
        node=node,
        segment_bytes=min(SEGMENT, settings.journal_bytes // FEW),
        max_bytes=settings.journal_bytes,
        max_payloads=settings.queue,
        reserve_bytes=settings.reserve,
        retain=settings.window,
    )


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


def client_limits(settings: IngestSettings) -> _core.Limits:
    """The settings that the core knows by the same names."""
    return _core.Limits(**{name: getattr(settings, name) for name in ClientLimits.keys()})  # noqa: SIM118
