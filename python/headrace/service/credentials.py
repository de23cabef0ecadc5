"""What a program needs to be let in by a service of this machine, and to trust it: found where it isn't given."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from headrace.errors import HeadraceError
from headrace.state import StateFolder

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


def state_folder(flag: str | Path | None, environ: Mapping[str, str]) -> StateFolder | None:
    """The state folder; None where a program runs that has no home for it, and nothing is to be found."""
    try:
        return StateFolder.at(flag, environ)
    except (HeadraceError, RuntimeError):
        return None


def token_for(url: str, folder: StateFolder | None, environ: Mapping[str, str]) -> str:
    """The machine's token, "" where there is none.

    For a service on loopback a missing one is made: a program may start before the service did, and whoever comes first
    makes the token of both.
    """
    try:
        create = urlsplit(url).hostname in LOOPBACK
        return (folder.token(create=create, environ=environ) if folder else None) or ""
    except HeadraceError:
        return ""


def authority_for(url: str, ca: str | Path | None, folder: StateFolder | None) -> str | None:
    """The PEM file by which `url` is verified: the given one, else the machine's own, else those of the system."""
    if not url.startswith("https:"):
        return None
    if ca is not None:
        return str(ca)
    if folder and folder.ca.is_file():
        return str(folder.ca)
    return ssl.get_default_verify_paths().cafile
