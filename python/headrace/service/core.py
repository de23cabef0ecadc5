"""The core's parts that several services have, as their settings want them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from headrace import _core
from headrace.errors import OperationError
from headrace.settings import ClientLimits
from headrace.state import reason

if TYPE_CHECKING:
    from headrace.settings import IngestSettings, LogsSettings

SEGMENT: Final = 64 << 20  # bytes of a journal's file, where the journal has room for a few of them
FEW: Final = 8


def client_limits(settings: ClientLimits) -> _core.Limits:
    """What a listener bears: the settings that the core knows by the same names."""
    return _core.Limits(**{name: getattr(settings, name) for name in ClientLimits.keys()})  # noqa: SIM118


def open_journal(settings: "IngestSettings | LogsSettings", folder: Path, **options: Any) -> _core.Journal:  # noqa: ANN401 - the core's own
    """The journal below `folder`, recovered; `options` are further ones of `_core.Journal`.

    Raises `JournalError`, `OperationError` when the folder can't be made.
    """
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
        **options,
    )
