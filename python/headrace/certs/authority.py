"""The local authority: one root per state folder, and leaves that are always fit to be shown.

Files: `ca.pem`, `ca-key.pem` and for each leaf `LABEL.pem`, `LABEL-key.pem`; keys are 0600, every write is atomic and
under one lock, so that any number of processes may start at the same instant. A renewed leaf keeps its key: a reader
never sees a certificate beside the key of another.
"""

import datetime as dt
import fcntl
import logging
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from headrace.certs import certificate as certs
from headrace.certs.names import general_names, host_names, normal_names, realm_of
from headrace.clock import Clock
from headrace.errors import OperationError, UsageError
from headrace.state import reason, write_atomically

log = logging.getLogger(__name__)
LABEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Leaf:
    """Where a certificate (PEM, `certificate`) and its private key (`key`) are."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates for this machine and private names; made on first use.

    Example: `leaf = Authority(Path("~/.headrace/certs").expanduser()).leaf(["localhost"], "balancer")`.

    `folder` holds its files; `clock.wall` decides what is expiring; `realm` is what it may sign for.
    Raises `OperationError` for files that are damaged, out of date or can't be written, and says which.
    """

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.folder = folder
        self._clock = clock or Clock()
        with self._lock():
            self._key = self._authority_key()
            self._certificate = self._authority_certificate()
        self.realm = certs.realm(self._certificate)

    @property
    def ca(self) -> Path:
        """The root's certificate, for whoever is to trust this authority."""
        return self.folder / "ca.pem"

    @property
    def expires(self) -> dt.datetime:
        """When the root itself ends."""
        return self._certificate.not_valid_after_utc

    def leaf(self, names: Sequence[str], label: str) -> Leaf:
        """A certificate for `names` (hosts, wildcards, addresses) that servers and clients may show, and its key.

        The one of the last call with `label` if it still fits; a new one when a third of its life is left, the names
        changed, it is damaged or another authority's. Names outside `realm` are left out with a warning.
        Raises `UsageError` when none remains.
        """
        wanted = normal_names(names)
        signed = [name for name in wanted if self.realm.holds(name.removeprefix("*."))]
        if not signed:
            raise UsageError(
                f"the local authority can't sign for {', '.join(wanted) or 'no name'}",
                hint="it speaks for private names only; take a certificate of a public authority",
            )
        if len(signed) < len(wanted):
            log.warning("not in the certificate %s: %s", label, ", ".join(sorted(set(wanted) - set(signed))))
        return self._fit_leaf(label, general_names(signed), [certs.SERVER, certs.CLIENT])

    def client(self, label: str) -> Leaf:
        """A certificate that only names its bearer, for calls to a port that asks for one."""
        name = x509.UniformResourceIdentifier(f"urn:headrace:client:{label}")
        return self._fit_leaf(label, [name], [certs.CLIENT])

    def renew_due(self, leaf: Leaf) -> bool:
        """Whether `leaf` should be asked for again: a third of its life is left, or it can't be used."""
        certificate, key = _read_certificate(leaf.certificate), _read_key(leaf.key)
        return certificate is None or key is None or not self._holds(certificate, key)

    def _fit_leaf(
        self, label: str, names: Sequence[x509.GeneralName], purposes: Sequence[x509.ObjectIdentifier]
    ) -> Leaf:
        if not LABEL.fullmatch(label) or label in {"ca", "ca-key"}:
            raise UsageError(f"{label!r} can't name a certificate", hint="use letters, digits, dots and dashes")
        leaf = Leaf(self.folder / f"{label}.pem", self.folder / f"{label}-key.pem")
        with self._lock():
            key, certificate = _read_key(leaf.key), _read_certificate(leaf.certificate)
            if key is None:
                key = certs.new_key()
                write_atomically(leaf.key, certs.key_pem(key))
            if certificate is None or not self._holds(certificate, key) or _names(certificate) != set(names):
                issued = certs.leaf_certificate(key, label, names, purposes, self._certificate, self._key, self._now())
                write_atomically(leaf.certificate, certs.certificate_pem(issued), 0o644)
        return leaf

    def _holds(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
        try:
            certificate.verify_directly_issued_by(self._certificate)
        except (InvalidSignature, ValueError, TypeError):
            return False
        return certs.same_key(certificate, key) and not certs.in_final_third(certificate, self._now())

    def _authority_key(self) -> ec.EllipticCurvePrivateKey:
        path = self.folder / "ca-key.pem"
        if not path.exists():
            if self.ca.exists():
                raise self._unusable(path, "is missing")
            key = certs.new_key()
            write_atomically(path, certs.key_pem(key))
            return key
        try:
            return certs.read_key(path.read_bytes())
        except (OSError, ValueError) as error:
            raise self._unusable(path, f"can't be read: {reason(error)}") from error

    def _authority_certificate(self) -> x509.Certificate:
        # A key alone is what a first start leaves that ended between the two files: it goes on from there.
        if not self.ca.exists():
            issued = certs.authority_certificate(self._key, socket.gethostname(), realm_of(host_names()), self._now())
            write_atomically(self.ca, certs.certificate_pem(issued), 0o644)
        certificate = _read_certificate(self.ca)
        if certificate is None or not certs.is_authority(certificate):
            raise self._unusable(self.ca, "is no certificate of an authority made here")
        if not certs.same_key(certificate, self._key):
            raise self._unusable(self.ca, "does not fit ca-key.pem")
        if not certificate.not_valid_before_utc <= self._now() < certificate.not_valid_after_utc:
            raise self._unusable(
                self.ca, f"is valid until {certificate.not_valid_after_utc:%Y-%m-%d} and it is {self._now():%Y-%m-%d}"
            )
        return certificate

    def _unusable(self, path: Path, what: str) -> OperationError:
        return OperationError(
            f"the local authority's {path} {what}",
            hint=f"restore it, or delete {self.folder} to have a new authority made (and trust that one)",
        )

    def _now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._clock.wall(), dt.timezone.utc)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One process at a time reads, decides and writes; the system frees the lock of one that dies."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = (self.folder / ".lock").open("w")
        except OSError as error:
            raise OperationError(f"cannot write in {self.folder}: {reason(error)}") from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _names(certificate: x509.Certificate) -> set[x509.GeneralName]:
    return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def _read_certificate(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    try:
        return certs.read_key(path.read_bytes())
    except (OSError, ValueError):
        return None
