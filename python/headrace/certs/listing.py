"""What an authority's folder holds, for people to read."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from headrace.certs.authority import Authority


@dataclass(frozen=True)
class Entry:
    """A certificate in the folder: `label` of its files, what it is for, when it ends."""

    label: str
    names: tuple[str, ...]
    expires: dt.datetime
    certificate: Path


def entries(authority: Authority) -> list[Entry]:
    """The authority itself, then its leaves by label; files that can't be read as certificates are passed over."""
    leaves = (path.with_name(path.name.replace("-key.pem", ".pem")) for path in authority.folder.glob("*-key.pem"))
    paths = [authority.ca, *sorted(path for path in leaves if path != authority.ca)]
    return [entry for path in paths if (entry := _entry(path)) is not None]


def _entry(path: Path) -> Entry | None:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None
    return Entry(path.stem, _names(certificate), certificate.not_valid_after_utc, path)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in names)
