"""Where entries go: the collector's URL, and what is needed to be let in and to trust it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from headrace.errors import UsageError
from headrace.service.credentials import authority_for, state_folder, token_for

URL_VARIABLE: Final = "HEADRACE_LOGS_URL"
TOKEN_VARIABLE: Final = "HEADRACE_LOGS_TOKEN"  # noqa: S105 - the variable's name, not its value
DEFAULT: Final = "https://127.0.0.1:6000"


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
    folder = state_folder(state, environ)
    found = token if token is not None else environ.get(TOKEN_VARIABLE) or token_for(url, folder, environ)
    authority = authority_for(url, ca, folder)
    spill = folder.path / "logs" / "spill" / re.sub(r"[^A-Za-z0-9.]+", "-", url) if folder else None
    return Destination(url, found, authority, spill)


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
