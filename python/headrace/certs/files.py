"""Certificates and keys as files: read with care, written under one lock."""

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from headrace.certs import certificate as certs
from headrace.errors import OperationError, UsageError
from headrace.state import reason, write_atomically

LABEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Leaf:
    """Where a certificate (PEM, `certificate`) and its private key (`key`) are."""

    certificate: Path
    key: Path

    @classmethod
    def at(cls, folder: Path, label: str) -> "Leaf":
        """The files of `label` in `folder`. Raises `UsageError` for a label that could be another file's."""
        if not LABEL.fullmatch(label) or label in {"ca", "ca-key"}:
            raise UsageError(f"{label!r} can't name a certificate", hint="use letters, digits, dots and dashes")
        return cls(folder / f"{label}.pem", folder / f"{label}-key.pem")

    def own_key(self) -> ec.EllipticCurvePrivateKey:
        """Its key; a new one, written, where there is none that can be read."""
        key = read_key(self.key)
        if key is None:
            key = certs.new_key()
            write_atomically(self.key, certs.key_pem(key))
        return key


def read_certificate(path: Path) -> x509.Certificate | None:
    """The first certificate in a file; None when it can't be read."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None


def read_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    """The key in a file; None when it can't be read."""
    try:
        return certs.read_key(path.read_bytes())
    except (OSError, ValueError):
        return None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time reads, decides and writes; the system frees the lock of one that dies.

    Makes the folder when it is missing. Raises `OperationError` when it can't be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise OperationError(f"cannot write in {folder}: {reason(error)}") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
