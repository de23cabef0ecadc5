"""The core's parts of the collector, as the settings want them."""

from pathlib import Path

from headrace import _core
from headrace.errors import UsageError
from headrace.logs.archive import Policy
from headrace.service.access import is_local
from headrace.settings import LogsSettings
from headrace.state import check_replaceable


def open_file(settings: LogsSettings, journal: _core.Journal, folder: Path) -> _core.LogFile:
    """The file, and the thread that writes it. Raises `UsageError`; `JournalError` for an unreadable checkpoint."""
    check_replaceable(settings.file, "the log")
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
    if settings.open and not is_local(settings.address):
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


def syslog_server(settings: LogsSettings, logs: _core.LogServer) -> _core.SyslogServer:
    """What takes syslog into the journal of `logs`. Raises `UsageError`."""
    try:
        return _core.SyslogServer(logs, networks=settings.syslog_from, max_message=settings.syslog_length)
    except (ValueError, _core.CoreError) as error:
        raise UsageError(f"syslog cannot be taken as the settings say: {error}") from error
