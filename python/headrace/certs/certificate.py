"""Certificates as values: what goes into an authority's and a leaf's, by RFC 5280. No file, no clock."""

import datetime as dt
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from headrace.certs.names import Realm
from headrace.errors import UsageError

AUTHORITY_LIFE: Final = dt.timedelta(days=3650)  # mkcert's and Caddy's roots: ten years
LEAF_LIFE: Final = dt.timedelta(days=90)  # Let's Encrypt; Mozilla's intermediate profile wants at most 366
BACKDATED: Final = dt.timedelta(days=1)  # a machine beside us whose clock is slow still believes a new one

CLIENT: Final = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER: Final = ExtendedKeyUsageOID.SERVER_AUTH


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key as an unencrypted PKCS#8 file has it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """The key of a file; raises `ValueError` when it holds none of ours."""
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise ValueError(str(error)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not an elliptic curve key")  # noqa: TRY004 - a file of the wrong content, not a wrong call
    return key


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """The certificate as a PEM file has it."""
    return certificate.public_bytes(Encoding.PEM)


def authority_certificate(
    key: ec.EllipticCurvePrivateKey, host: str, realm: Realm, now: dt.datetime
) -> x509.Certificate:
    """A root that signs leaves only (`pathlen` 0) and only for names of `realm`."""
    usage = _usage(digital_signature=False, signs_certificates=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    # Its own number in the name: browsers' databases take two roots of one name for one.
    subject = _subject(f"headrace authority {identifier.digest.hex()[:8]} of {host}")
    return (
        _begin(subject, subject, key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(_constraints(realm), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, SHA256())
    )


def signing_request(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Asks an authority elsewhere for a certificate of `key` (PEM, PKCS #10); for which names is its to say."""
    request = x509.CertificateSigningRequestBuilder().subject_name(_subject("headrace")).sign(key, SHA256())
    return request.public_bytes(Encoding.PEM)


def requested_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    """The key of a signing request, whose signature shows that the asker has it. Raises `UsageError`."""
    try:
        request = x509.load_pem_x509_csr(pem)
        key, signed = request.public_key(), request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        key, signed = None, False
    if not signed or not isinstance(key, ec.EllipticCurvePublicKey):
        raise UsageError("that is no signing request of an elliptic curve key", hint="send PKCS #10 as PEM")
    return key


def leaf_certificate(
    key: ec.EllipticCurvePublicKey,
    label: str,
    names: Sequence[x509.GeneralName],
    purposes: Sequence[x509.ObjectIdentifier],
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
) -> x509.Certificate:
    """A certificate for `names`, signed by `issuer` and never outliving it."""
    life = min(LEAF_LIFE, issuer.not_valid_after_utc - now + BACKDATED)
    issuer_identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        # A space keeps the common name from being read as a host name.
        _begin(_subject(f"headrace {label}"), issuer.subject, key, now, life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True, signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_identifier), critical=False
        )
        .sign(issuer_key, SHA256())
    )


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether `certificate` is a root of `authority_certificate`."""
    try:
        realm(certificate)
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def realm(certificate: x509.Certificate) -> Realm:
    """What a root may sign for."""
    permitted = certificate.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    suffixes = (name.value for name in permitted if isinstance(name, x509.DNSName))
    networks = (name.value for name in permitted if isinstance(name, x509.IPAddress))
    return Realm(tuple(suffixes), tuple(net for net in networks if isinstance(net, IPv4Network | IPv6Network)))


def same_key(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
    """Whether `certificate` is for `key`."""
    return certificate.public_key() == key.public_key()


def fits(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, authority: x509.Certificate) -> bool:
    """Whether `certificate` is for `key` and `authority` signed it."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return same_key(certificate, key)


def in_final_third(certificate: x509.Certificate, now: dt.datetime) -> bool:
    """Whether `certificate` is to be renewed: a third of its life is left, or it is not valid yet."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return not begin <= now < end - (end - begin) / 3


def _begin(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    life: dt.timedelta,
) -> x509.CertificateBuilder:
    begin = now - BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + life)
    )


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _constraints(realm: Realm) -> x509.NameConstraints:
    permitted: list[x509.GeneralName] = [x509.DNSName(suffix) for suffix in realm.suffixes]
    permitted += [x509.IPAddress(network) for network in realm.networks]
    return x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None)


def _usage(*, digital_signature: bool, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
