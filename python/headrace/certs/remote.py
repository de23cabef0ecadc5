"""Leaves that an authority on another machine signs; their keys are made here and never leave."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from headrace.certs import certificate as certs
from headrace.certs.files import Leaf, locked, read_certificate
from headrace.clock import Clock
from headrace.errors import OperationError
from headrace.state import write_atomically


class RemoteAuthority:
    """What `Authority` is where its key isn't.

    Example: `RemoteAuthority(Path("state/certs"), Path("ca.pem"), ask).leaf("app")`.

    `folder` holds the leaves' files; `ca` is the other's certificate (PEM); `ask` takes a signing request (PEM) there
    and returns the certificate (PEM), for the names that the other side decides upon. Raises what `ask` raises, and
    `OperationError` for an answer that isn't signed by `ca`.
    """

    def __init__(self, folder: Path, ca: Path, ask: Callable[[bytes], bytes], clock: Clock | None = None) -> None:
        self.folder = folder
        self.ca = ca
        self._ask = ask
        self._clock = clock or Clock()

    def leaf(self, label: str) -> Leaf:
        """The files of `label`; signed anew when they don't hold what `held` wants."""
        leaf = Leaf.at(self.folder, label)
        return leaf if self.held(leaf) else self.sign_anew(label)

    def sign_anew(self, label: str) -> Leaf:
        """The files of `label`, signed now: the names they are for may have changed."""
        leaf = Leaf.at(self.folder, label)
        with locked(self.folder):
            key = leaf.own_key()
            pem = self._ask(certs.signing_request(key))
            if not self._is_signed(pem, key):
                raise OperationError(
                    f"the certificate that the balancer gave isn't signed by the authority in {self.ca}",
                    hint="copy its ca.pem anew",
                )
            write_atomically(leaf.certificate, pem, 0o644)
        return leaf

    def held(self, leaf: Leaf) -> bool:
        """Whether `leaf` can be shown: signed by the authority, and not in the final third of its life."""
        certificate = read_certificate(leaf.certificate)
        now = dt.datetime.fromtimestamp(self._clock.wall(), dt.timezone.utc)
        if certificate is None or certs.in_final_third(certificate, now):
            return False
        return self._is_signed(certs.certificate_pem(certificate), leaf.own_key())

    def _is_signed(self, pem: bytes, key: ec.EllipticCurvePrivateKey) -> bool:
        try:
            certificate = x509.load_pem_x509_certificate(pem)
            roots = x509.load_pem_x509_certificates(self.ca.read_bytes())
        except (OSError, ValueError):
            return False
        return any(certs.fits(certificate, key, root) for root in roots)
