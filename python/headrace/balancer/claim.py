"""Which file of the state folder remembers this balancer's members.

Balancers of one machine may share a state folder for the sake of its authority and its token; their members they don't
share. So each has a file of its own: `membership.json`, `membership-2.json` and so on. A lock beside it, which the
kernel takes back when the process ends, says that it is in use, and its content says for which admin address: members
belong to the address at which they registered. An address with port 0 is a passing one, so its file is anyone's.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, TextIO

from headrace.errors import OperationError
from headrace.state import CHOOSE_ANOTHER, reason

MOST: Final = 16  # balancers that share a folder; more are a mistake


@contextmanager
def claimed(folder: Path, admin: str) -> Iterator[Path]:
    """The file for the members of the balancer with the admin address `admin`, nobody else's until the end.

    Example: `with claimed(state.path, "127.0.0.1:2001") as file: ...`. A balancer that comes back has the file it had.
    Raises `OperationError` when the folder can't be written, or has too many balancers already.
    """
    for file in _candidates(folder, admin):
        lock = _lock(_lock_of(file), admin)
        if lock is not None:
            with closing(lock):
                yield file
            return
    raise OperationError(f"{MOST} balancers use the state folder {folder} already", hint=CHOOSE_ANOTHER)


def _candidates(folder: Path, admin: str) -> list[Path]:
    """The files that may be this balancer's, its own before those without an owner."""
    files = [folder / f"membership{suffix}.json" for suffix in ("", *(f"-{n}" for n in range(2, MOST + 1)))]
    owners = {file: _owner(_lock_of(file)) for file in files}
    own = [file for file in files if owners[file] == admin]
    return own + [file for file in files if file not in own and (_is_passing(owners[file]) or _is_passing(admin))]


def _is_passing(admin: str) -> bool:
    return not admin or admin.endswith(":0")


def _lock_of(file: Path) -> Path:
    return file.with_suffix(".lock")


def _owner(lock: Path) -> str:
    """The admin address of the balancer that had the lock last; empty where none had."""
    try:
        return lock.read_text("utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise OperationError(f"cannot read {lock}: {reason(error)}") from error


def _lock(path: Path, admin: str) -> TextIO | None:
    """The open lock, with `admin` written into it; None where another process has it."""
    try:
        lock = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+", encoding="utf-8")
    except OSError as error:
        raise OperationError(f"cannot open {path}: {reason(error)}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate()
        lock.write(f"{admin}\n")
        lock.flush()
    except BlockingIOError:
        lock.close()
        return None
    except OSError as error:
        lock.close()
        raise OperationError(f"cannot lock {path}: {reason(error)}") from error
    return lock
