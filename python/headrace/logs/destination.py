"""Where entries go: the collector's URL, and what is needed to be let in and to trust it."""

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from headrace.errors import HeadraceError, UsageError
from headrace.state import StateFolder

URL_VARIABLE: Final = "HEADRACE_LOGS_URL"
TOKEN_VARIABLE: Final = "HEADRACE_LOGS_TOKEN"  # noqa: S105 - the variable's name, not its value
DEFAULT: Final = "https://127.0.0.1:6000"
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Destination:
    """A collector. `spill` is the folder for what it doesn't take yet, None where there is no place for one."""

    url: str
    token: str
    ca: str | None
    spill: Path | None


def destination(
    url: str | None = None,
    *,
    token: str | None = None,
    ca: str | Path | None = None,
    state: str | Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Destination:
    """What isn't given is found: in the environment, else in the state folder of this machine.

    Raises `UsageError` for a URL that is none.
    """
    url = checked(url or environ.get(URL_VARIABLE) or DEFAULT)
    folder = _state(state, environ)
    near = urlsplit(url).hostname in LOOPBACK
    found = token if token is not None else environ.get(TOKEN_VARIABLE) or _token(folder, environ, create=near)
    authority = _authority(ca, folder) if url.startswith("https:") else None
    spill = folder.path / "logs" / "spill" / re.sub(r"[^A-Za-z0-9.]+", "-", url) if folder else None
    return Destination(url, found or "", authority, spill)


def checked(url: str) -> str:
    """The URL itself. Raises `UsageError` when it can't be a collector's."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(f"{url} is not a URL of a log collector", hint=f"like {DEFAULT}")
    return url


def _state(flag: str | Path | None, environ: Mapping[str, str]) -> StateFolder | None:
    """An app may run where there is no home for it; then there is nothing to be found."""
    try:
        return StateFolder.at(flag, environ)
    except (HeadraceError, RuntimeError):
        return None


def _token(folder: StateFolder | None, environ: Mapping[str, str], *, create: bool) -> str | None:
    """A program may start before its machine's collector did: whoever comes first makes the token of both."""
    try:
        return folder.token(create=create, environ=environ) if folder else None
    except HeadraceError:
        return None


def _authority(ca: str | Path | None, folder: StateFolder | None) -> str | None:
    """The given one; else the machine's own, and where there is none those of the system."""
    if ca is not None:
        return str(ca)
    if folder and folder.ca.is_file():
        return str(folder.ca)
    return ssl.get_default_verify_paths().cafile
