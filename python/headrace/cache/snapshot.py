"""What is kept over a restart, where that is asked for.

A snapshot is good for one start, and is removed when it is read. Once the service runs values are invalidated, and
after a crash nobody knows which: an old snapshot would bring them back.
"""

import logging
import tempfile
from pathlib import Path

from headrace import _core
from headrace.errors import OperationError
from headrace.state import check_replaceable, reason

log = logging.getLogger(__name__)


def restore(store: _core.Store, path: Path) -> None:
    """Fills `store` from the snapshot at `path`, if there is one, and sees that there can be a next one.

    Raises `UsageError` where `path` is no file, `OperationError` where it can't be read or none can be written.
    """
    check_replaceable(path, "the snapshot")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OperationError(f"no snapshot can be written to {path.parent}: {reason(error)}") from error
    try:
        count = store.load(path)
    except _core.CoreError as error:
        log.warning("%s", error)
    except OSError as error:
        raise OperationError(f"cannot read the snapshot {path}: {reason(error)}") from error
    else:
        log.info("values of before: %d", count)


def save(store: _core.Store, path: Path) -> None:
    """Writes a snapshot of `store` to `path`; that it can't be is told, and ends nothing."""
    try:
        log.info("values that are kept for the next start: %d", store.save(path))
    except OSError as error:
        log.warning("the snapshot %s cannot be written, the next start begins empty: %s", path, reason(error))
