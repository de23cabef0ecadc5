"""The local authority: one root per state folder, and leaves that are always fit to be shown.

Files: `ca.pem`, `ca-key.pem` and for each leaf `LABEL.pem`, `LABEL-key.pem`; keys are 0600, every write is atomic and
under one lock, so that any number of processes may start at the same instant. A renewed leaf keeps its key: a reader
never sees a certificate beside the key of another.
"""

import datetime as dt
import logging
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from headrace.certs import certificate as certs
from headrace.certs.files import Leaf, locked, read_certificate, read_key
from headrace.certs.names import general_names, host_names, normal_names, realm_of
from headrace.clock import Clock
from headrace.errors import OperationError, UsageError
from headrace.state import reason, write_atomically

log = logging.getLogger(__name__)
NOTICE: Final = dt.timedelta(days=30)  # how long before its end an authority is complained about


class Authority:
    """Signs certificates for this machine and private names; made on first use.

    Example: `leaf = Authority(Path("~/.headrace/certs").expanduser()).leaf(["localhost"], "balancer")`.

    `folder` holds its files; `clock.wall` decides what is expiring; `realm` is what it may sign for.
    Raises `OperationError` for files that are damaged, out of date or can't be written, and says which.
    """

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.folder = folder
        self._clock = clock or Clock()
        with locked(self.folder):
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

    def warn_of_end(self) -> None:
        """Says so while the root is about to end: no leaf outlives it, and nobody trusts a new one by himself."""
        left = self.expires - self._now()
        if left < NOTICE:
            log.warning(
                "the local authority %s ends on %s, in %d days, and all that it signed ends with it: "
                "stop what uses it, delete %s, start again, and have clients trust the new one",
                *(self.ca, f"{self.expires:%Y-%m-%d}", left.days, self.folder),
            )

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

    def sign(self, request: bytes, names: Sequence[str], label: str) -> bytes:
        """A server's certificate (PEM) for `names` and the key of a signing request (PEM, PKCS #10).

        Whatever names the request itself asks for are left aside: they are the caller's to decide.
        Raises `UsageError` for what is no such request, and for names outside `realm`.
        """
        wanted = normal_names(names)
        strange = [name for name in wanted if not self.realm.holds(name)]
        if strange:
            raise UsageError(
                f"the local authority can't sign for {', '.join(strange)}",
                hint="it speaks for this machine and private names and addresses only",
            )
        key = certs.requested_key(request)
        return certs.certificate_pem(self._issue(key, label, general_names(wanted), [certs.SERVER]))

    def client(self, label: str) -> Leaf:
        """A certificate that only names its bearer, for calls to a port that asks for one."""
        name = x509.UniformResourceIdentifier(f"urn:headrace:client:{label}")
        return self._fit_leaf(label, [name], [certs.CLIENT])

    def renew_due(self, leaf: Leaf) -> bool:
        """Whether `leaf` should be asked for again: a third of its life is left, or it can't be used."""
        certificate, key = read_certificate(leaf.certificate), read_key(leaf.key)
        return certificate is None or key is None or not self._holds(certificate, key)

    def _fit_leaf(
        self, label: str, names: Sequence[x509.GeneralName], purposes: Sequence[x509.ObjectIdentifier]
    ) -> Leaf:
        leaf = Leaf.at(self.folder, label)
        self.warn_of_end()
        with locked(self.folder):
            key, certificate = leaf.own_key(), read_certificate(leaf.certificate)
            if certificate is None or not self._holds(certificate, key) or _names(certificate) != set(names):
                issued = self._issue(key.public_key(), label, names, purposes)
                write_atomically(leaf.certificate, certs.certificate_pem(issued), 0o644)
        return leaf

    def _issue(
        self,
        key: ec.EllipticCurvePublicKey,
        label: str,
        names: Sequence[x509.GeneralName],
        purposes: Sequence[x509.ObjectIdentifier],
    ) -> x509.Certificate:
        self._check_time(self._certificate)
        return certs.leaf_certificate(key, label, names, purposes, self._certificate, self._key, self._now())

    def _holds(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
        return certs.fits(certificate, key, self._certificate) and not certs.in_final_third(certificate, self._now())

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
        certificate = read_certificate(self.ca)
        if certificate is None or not certs.is_authority(certificate):
            raise self._unusable(self.ca, "is no certificate of an authority made here")
        if not certs.same_key(certificate, self._key):
            raise self._unusable(self.ca, "does not fit ca-key.pem")
        self._check_time(certificate)
        return certificate

    def _check_time(self, certificate: x509.Certificate) -> None:
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not begin <= self._now() < end:
            raise self._unusable(self.ca, f"is valid until {end:%Y-%m-%d} and it is {self._now():%Y-%m-%d}")

    def _unusable(self, path: Path, what: str) -> OperationError:
        return OperationError(
            f"the local authority's {path} {what}",
            hint=f"restore it, or delete {self.folder} to have a new authority made (and trust that one)",
        )

    def _now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._clock.wall(), dt.timezone.utc)


def _names(certificate: x509.Certificate) -> set[x509.GeneralName]:
    return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
