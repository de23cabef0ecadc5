"""The core's parts of the collector, as the settings want them."""

import ipaddress
from pathlib import Path
from typing import Final

from headrace import _core
from headrace.errors import OperationError, UsageError
from headrace.logs.archive import Policy
from headrace.settings import ClientLimits, LogsSettings
from headrace.state import reason

SEGMENT: Final = 64 << 20  # bytes of a journal's file, where the journal has room for a few of them
FEW: Final = 8


def open_journal(settings: LogsSettings, folder: Path) -> _core.Journal:
    """The journal below `folder`, recovered. Raises `JournalError`, `OperationError` when the folder can't be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OperationError(f"cannot make the folder {folder}: {reason(error)}") from error
    return _core.Journal(
        folder / "journal",
        segment_bytes=min(SEGMENT, settings.journal_bytes // FEW),
        max_bytes=settings.journal_bytes,
        max_payloads=settings.queue,
        reserve_bytes=settings.reserve,
        retain=settings.key_window,
    )


def open_file(settings: LogsSettings, journal: _core.Journal, folder: Path) -> _core.LogFile:
    """The file, and the thread that writes it. Raises `UsageError`; `JournalError` for an unreadable checkpoint."""
    try:
        return _core.LogFile(
            journal,
            settings.file,
            checkpoint=folder / "checkpoint",
            line=settings.line,
            window=settings.window,
            window_bytes=settings.window_bytes,
            rotate_bytes=settings.rotate_bytes,
        )
    except ValueError as error:
        raise UsageError(f"the log cannot be written as the settings say: {error}") from error


def kept(settings: LogsSettings) -> Policy:
    """What becomes of files that are full."""
    return Policy(compress=settings.compress, keep=settings.keep, keep_bytes=settings.keep_bytes)


def server_options(settings: LogsSettings, token: str) -> _core.LogOptions:
    """What the server takes. Raises `UsageError`."""
    if settings.max_reading < settings.max_length:
        raise UsageError("logs setting max_reading is less than max_length", hint="give it room for many bodies")
    if settings.open and not _is_loopback(settings.address):
        hint = "listen on 127.0.0.1 only, or leave open out and send the token"
        raise UsageError(f"logs setting open cannot go with the address {settings.address}", hint=hint)
    return _core.LogOptions(
        tokens=() if settings.open else (token,),
        max_ahead=settings.max_ahead,
        max_length=settings.max_length,
        max_reading=settings.max_reading,
        window=settings.key_window,
        max_keys=settings.max_keys,
    )


def client_limits(settings: LogsSettings) -> _core.Limits:
    """The settings that the core knows by the same names."""
    return _core.Limits(**{name: getattr(settings, name) for name in ClientLimits.keys()})  # noqa: SIM118


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
