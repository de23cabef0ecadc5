"""Leaves that another machine's authority signs."""

import ssl

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from headrace.certs.authority import Authority
from headrace.certs.remote import RemoteAuthority
from headrace.errors import OperationError, UsageError

NAMES = ["localhost", "10.0.0.7"]


class There:
    """The machine with the authority, and how often it was asked."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.asked: list[bytes] = []

    def __call__(self, request: bytes) -> bytes:
        self.asked.append(request)
        return self.authority.sign(request, NAMES, "app server")


@pytest.fixture
def there(authority):
    return There(authority)


@pytest.fixture
def here(there, tmp_path, calendar):
    return RemoteAuthority(tmp_path / "here", there.authority.ca, there, calendar.clock)


def names(leaf):
    certificate = x509.load_pem_x509_certificate(leaf.certificate.read_bytes())
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in found]


def test_a_leaf_is_signed_there_for_a_key_that_stays_here(here, there):
    leaf = here.leaf("app")
    assert names(leaf) == NAMES
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(leaf.certificate, leaf.key)
    assert b"PRIVATE" not in there.asked[0]
    assert leaf.key.stat().st_mode & 0o777 == 0o600


def test_it_serves_and_does_not_call(here):
    certificate = x509.load_pem_x509_certificate(here.leaf("app").certificate.read_bytes())
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_one_that_is_held_is_not_asked_for_again_until_it_is_about_to_end(here, there, calendar):
    before = here.leaf("app").certificate.read_bytes()
    calendar.pass_days(58)
    assert here.leaf("app").certificate.read_bytes() == before
    calendar.pass_days(2)
    assert here.leaf("app").certificate.read_bytes() != before
    assert len(there.asked) == 2


def test_at_a_start_it_is_signed_anew_with_the_same_key(here, there):
    key = here.leaf("app").key.read_bytes()
    assert here.sign_anew("app").key.read_bytes() == key
    assert len(there.asked) == 2


def test_an_answer_of_another_authority_is_not_taken(here, there, tmp_path):
    there.authority = Authority(tmp_path / "other")
    with pytest.raises(OperationError, match="isn't signed by"):
        here.leaf("app")
    assert not (here.folder / "app.pem").exists()


def test_an_answer_for_another_key_is_not_taken(here, there):
    here.leaf("app")
    (here.folder / "app-key.pem").unlink()
    requests = iter(there.asked[:1])
    there_for_another = RemoteAuthority(here.folder, here.ca, lambda _: there(next(requests)))
    with pytest.raises(OperationError, match="isn't signed by"):
        there_for_another.leaf("app")


@pytest.mark.parametrize("request_pem", [b"", b"rubbish", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"])
def test_what_is_no_signing_request_is_refused(authority, request_pem):
    with pytest.raises(UsageError, match="no signing request"):
        authority.sign(request_pem, NAMES, "app server")


def test_a_request_for_names_outside_the_realm_is_refused(authority, here, there):
    here.leaf("app")
    with pytest.raises(UsageError, match=r"can't sign for 203\.0\.113\.7"):
        authority.sign(there.asked[0], ["localhost", "203.0.113.7"], "app server")
