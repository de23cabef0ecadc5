"""The state folder: what headrace remembers on this machine (token, authority, saved membership)."""

import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import OperationError, UsageError

TOKEN_VARIABLE = "HEADRACE_BALANCER_TOKEN"  # noqa: S105 - the variable's name, not its value
CHOOSE_ANOTHER = "choose another folder with --state DIR or HEADRACE_HOME"


@dataclass(frozen=True)
class StateFolder:
    """A folder of the user's own, readable by nobody else.

    Example: `StateFolder.at(None).token(create=True)`.
    """

    path: Path

    @classmethod
    def at(cls, flag: str | Path | None, environ: Mapping[str, str] = os.environ) -> "StateFolder":
        """The folder of `--state`, else of `$HEADRACE_HOME`, else `~/.headrace`; made (0700) when missing.

        Raises `UsageError` when it is another user's, a link or a file, `OperationError` when it can't be made.
        """
        path = Path(flag or environ.get("HEADRACE_HOME") or "~/.headrace").expanduser().absolute()
        _make_folder(path)
        _check_folder(path)
        return cls(path)

    @property
    def ca(self) -> Path:
        """The local authority's certificate."""
        return self.path / "certs" / "ca.pem"

    def token(self, *, create: bool = False, environ: Mapping[str, str] = os.environ) -> str | None:
        """The bearer token of the admin port: `$HEADRACE_BALANCER_TOKEN`, else STATE/token, else None.

        With `create` a missing one is made; of two processes that make it at the same instant, one wins for both.
        Raises `OperationError` when the file can't be read or is empty.
        """
        if given := environ.get(TOKEN_VARIABLE, "").strip():
            return given
        path = self.path / "token"
        if create and not path.exists():
            _write_once(path, secrets.token_urlsafe(32).encode() + b"\n")
        try:
            token = path.read_text("utf-8").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise OperationError(f"cannot read the token in {path}: {reason(error)}") from error
        if not token:
            raise OperationError(f"the token in {path} is empty", hint="delete the file to have a new one made")
        return token


def write_atomically(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replaces `path` by `data`: a reader, or a start after a crash, sees the old or the new, never a part.

    Raises `OperationError`.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        _write_new(draft, data, mode)
        draft.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise OperationError(f"cannot write {path}: {reason(error)}") from error
    finally:
        draft.unlink(missing_ok=True)


def check_replaceable(path: Path, what: str) -> None:
    """Raises `UsageError` where `path` is a folder, a device or a link, which no file may be renamed to, or away from.

    Example: `check_replaceable(Path("/dev/null"), "the snapshot")` raises.
    """
    try:
        kind = path.lstat().st_mode
    except OSError:
        return  # what uses it says why
    if not stat.S_ISREG(kind):
        raise UsageError(f"{what} {path} is no regular file", hint="name one, or one that is not there yet")


def reason(error: Exception) -> str:
    """What the system said, in its own words and without the number."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise UsageError(f"the state folder {path} is not a folder", hint=CHOOSE_ANOTHER) from None
    except OSError as error:
        raise OperationError(f"cannot make the state folder {path}: {reason(error)}", hint=CHOOSE_ANOTHER) from error


def _check_folder(path: Path) -> None:
    """Whoever can swap the folder or write in it could plant an authority or a token of their own."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise UsageError(f"the state folder {path} is a symbolic link", hint=f"name its target, or {CHOOSE_ANOTHER}")
    if status.st_uid != os.geteuid():
        raise UsageError(f"the state folder {path} belongs to another user", hint=CHOOSE_ANOTHER)
    if status.st_mode & 0o022:
        raise UsageError(f"others may write in the state folder {path}", hint=f"chmod 700 {path}, or {CHOOSE_ANOTHER}")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise OperationError(f"the state folder {path} can't be read and written", hint=f"chmod 700 {path}")


def _write_once(path: Path, data: bytes) -> None:
    """Like `write_atomically`, but what already stands there stays: a link, unlike a rename, never replaces."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        _write_new(draft, data, 0o600)
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError as error:
        raise OperationError(f"cannot write {path}: {reason(error)}") from error
    finally:
        draft.unlink(missing_ok=True)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
