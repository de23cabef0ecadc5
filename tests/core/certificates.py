"""Certificates for the tests: an authority, leaves for names and addresses, and the contexts that use them."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Leaf:
    """A certificate chain and its key as PEM files."""

    chain: str
    key: str

    @property
    def pair(self) -> tuple[str, str]:
        return self.chain, self.key

    @property
    def der(self) -> bytes:
        """The certificate as it is shown in a handshake."""
        return ssl.PEM_cert_to_DER_cert(Path(self.chain).read_text())

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


class Authority:
    """Signs leaves; its own certificate is the PEM file `ca`."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            self._builder(self._name, self._key, days=2)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca = self._write("ca.pem", certificate.public_bytes(serialization.Encoding.PEM))

    def leaf(self, *names: str, days: int = 1) -> Leaf:
        """A certificate for `names` (host names or addresses); negative `days` make one that has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        certificate = (
            self._builder(subject, key, days=days)
            .add_extension(x509.SubjectAlternativeName([alternative_name(name) for name in names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        stem = f"{names[0].replace(':', '_')}-{certificate.serial_number:x}"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Leaf(
            self._write(f"{stem}.pem", certificate.public_bytes(serialization.Encoding.PEM)),
            self._write(f"{stem}.key", private),
        )

    def client_context(self, *protocols: str, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """Trusts this authority alone; `version` is the only TLS version it speaks."""
        context = ssl.create_default_context(cafile=self.ca)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 3 * DAY)
            .not_valid_after(now + days * DAY)
        )

    def _write(self, name: str, content: bytes) -> str:
        path = self._folder / name
        path.write_bytes(content)
        return str(path)


def alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
