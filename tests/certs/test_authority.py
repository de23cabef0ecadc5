import asyncio
import ssl
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.x509 import verification

from headrace.certs.authority import Authority
from headrace.errors import OperationError, UsageError

NAMES = ["localhost", "127.0.0.1", "::1", "*.blog.test"]


def certificate(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def verifier(authority, calendar):
    store = verification.Store([certificate(authority.ca)])
    return verification.PolicyBuilder().store(store).time(calendar.now)


@pytest.mark.parametrize("name", ["localhost", "shop.blog.test"])
def test_a_leaf_is_verified_for_its_names(authority, calendar, name):
    leaf = authority.leaf(NAMES, "balancer")
    server = verifier(authority, calendar).build_server_verifier(x509.DNSName(name))
    assert len(server.verify(certificate(leaf.certificate), [])) == 2


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_leaf_is_verified_for_its_addresses(authority, calendar, address):
    leaf = authority.leaf(NAMES, "balancer")
    server = verifier(authority, calendar).build_server_verifier(x509.IPAddress(ip_address(address)))
    server.verify(certificate(leaf.certificate), [])


def test_a_leaf_is_not_verified_for_other_names(authority, calendar):
    leaf = authority.leaf(NAMES, "balancer")
    server = verifier(authority, calendar).build_server_verifier(x509.DNSName("other.test"))
    with pytest.raises(verification.VerificationError):
        server.verify(certificate(leaf.certificate), [])


def test_a_leaf_also_names_a_client(authority, calendar):
    verifier(authority, calendar).build_client_verifier().verify(
        certificate(authority.leaf(NAMES, "balancer").certificate), []
    )


def test_a_client_certificate_is_no_servers(authority, calendar):
    shown = certificate(authority.client("operator").certificate)
    client = verifier(authority, calendar).build_client_verifier().verify(shown, [])
    assert [name.value for name in client.subjects] == ["urn:headrace:client:operator"]
    with pytest.raises(verification.VerificationError):
        verifier(authority, calendar).build_server_verifier(x509.DNSName("localhost")).verify(shown, [])


def test_the_strictest_reading_of_the_standard_finds_nothing(authority):
    leaf = authority.leaf(NAMES, "balancer")
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", authority.ca, leaf.certificate],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


async def test_a_real_handshake_trusts_it_and_nothing_else(authority, tmp_path):
    leaf = authority.leaf(NAMES, "balancer")
    assert await handshake(leaf, authority.ca, "localhost") == "TLSv1.3"
    assert await handshake(leaf, authority.ca, "127.0.0.1") == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        await handshake(leaf, authority.ca, "other.test")
    with pytest.raises(ssl.SSLCertVerificationError, match="issuer"):
        await handshake(leaf, Authority(tmp_path / "stranger").ca, "localhost")


async def handshake(leaf, ca, name):
    """The TLS version that a client who trusts `ca` speaks with a server that shows `leaf`."""

    async def answer(_reader, writer):
        writer.close()

    shown = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    shown.load_cert_chain(leaf.certificate, leaf.key)
    trusting = ssl.create_default_context(cafile=ca)
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=shown) as server:
        port = server.sockets[0].getsockname()[1]
        _reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname=name)
        version = writer.get_extra_info("ssl_object").version()
        writer.close()
        await writer.wait_closed()
        return version


def test_keys_are_the_owners_alone(authority):
    leaf = authority.leaf(NAMES, "balancer")
    assert mode(authority.folder) == 0o700
    assert mode(authority.folder / "ca-key.pem") == 0o600
    assert mode(leaf.key) == 0o600
    assert leaf.certificate.name == "balancer.pem"
    assert leaf.key.name == "balancer-key.pem"


def test_the_root_signs_leaves_only_and_private_names_only(authority):
    extensions = certificate(authority.ca).extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value.path_length == 0
    assert extensions.get_extension_for_class(x509.NameConstraints).critical


def test_a_leaf_lives_for_ninety_days_and_began_yesterday(authority, calendar):
    shown = certificate(authority.leaf(NAMES, "balancer").certificate)
    assert shown.not_valid_after_utc - shown.not_valid_before_utc == timedelta(days=90)
    assert timedelta(days=1) <= calendar.now - shown.not_valid_before_utc < timedelta(days=1, seconds=2)


def test_a_leaf_that_fits_is_kept(authority, calendar):
    before = authority.leaf(NAMES, "balancer").certificate.read_bytes()
    calendar.pass_days(58)
    assert authority.leaf(list(reversed(NAMES)), "balancer").certificate.read_bytes() == before


def test_a_leaf_is_renewed_in_the_final_third_of_its_life_with_the_same_key(authority, calendar):
    leaf = authority.leaf(NAMES, "balancer")
    before, key = certificate(leaf.certificate), leaf.key.read_bytes()
    assert not authority.renew_due(leaf)
    calendar.pass_days(59.5)
    assert authority.renew_due(leaf)
    assert authority.leaf(NAMES, "balancer") == leaf
    assert not authority.renew_due(leaf)
    after = certificate(leaf.certificate)
    assert after.not_valid_after_utc - before.not_valid_after_utc > timedelta(days=59)
    assert leaf.key.read_bytes() == key


def test_a_leaf_from_the_future_is_renewed(authority, calendar):
    calendar.pass_days(30)
    leaf = authority.leaf(NAMES, "balancer")
    calendar.pass_days(-29.5)
    assert authority.renew_due(leaf)


def test_a_leaf_for_other_names_is_made_anew(authority):
    leaf = authority.leaf(NAMES, "balancer")
    authority.leaf([*NAMES, "10.0.0.7"], "balancer")
    names = certificate(leaf.certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert x509.IPAddress(ip_address("10.0.0.7")) in list(names)


def test_a_leaf_of_another_authority_is_made_anew(authority, tmp_path, calendar):
    other = Authority(tmp_path / "other", calendar.clock)
    leaf, strange = authority.leaf(NAMES, "balancer"), other.leaf(NAMES, "balancer")
    leaf.certificate.write_bytes(strange.certificate.read_bytes())
    leaf.key.write_bytes(strange.key.read_bytes())
    assert authority.renew_due(leaf)
    certificate(authority.leaf(NAMES, "balancer").certificate).verify_directly_issued_by(certificate(authority.ca))


@pytest.mark.parametrize("damaged", ["balancer.pem", "balancer-key.pem"])
@pytest.mark.parametrize("content", [b"", b"no certificate", None])
def test_a_damaged_leaf_is_made_anew(authority, calendar, damaged, content):
    leaf = authority.leaf(NAMES, "balancer")
    path = authority.folder / damaged
    path.unlink() if content is None else path.write_bytes(content)
    assert authority.renew_due(leaf)
    authority.leaf(NAMES, "balancer")
    assert not authority.renew_due(leaf)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(leaf.certificate, leaf.key)


def test_a_leaf_never_outlives_its_authority(authority, calendar):
    calendar.pass_days(3640)
    shown = certificate(authority.leaf(NAMES, "balancer").certificate)
    assert shown.not_valid_after_utc == certificate(authority.ca).not_valid_after_utc


def test_names_it_must_not_sign_for_are_left_out_and_told(authority, caplog):
    leaf = authority.leaf(["localhost", "example.com"], "balancer")
    names = certificate(leaf.certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName("localhost")]
    assert "example.com" in caplog.text


@pytest.mark.parametrize("names", [[], ["example.com"]])
def test_no_name_left_is_an_error(authority, names):
    with pytest.raises(UsageError, match="can't sign"):
        authority.leaf(names, "balancer")


@pytest.mark.parametrize("label", ["", "ca", "ca-key", "../x", "a/b", ".lock", "Ü"])
def test_a_label_cannot_leave_the_folder_or_touch_the_root(authority, label):
    with pytest.raises(UsageError, match="can't name"):
        authority.leaf(NAMES, label)


def test_the_next_start_finds_the_same_authority(authority, calendar):
    again = Authority(authority.folder, calendar.clock)
    assert not again.renew_due(authority.leaf(NAMES, "balancer"))


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("ca.pem", b"", "ca.pem is no certificate"),
        ("ca.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "ca.pem is no certificate"),
        ("ca-key.pem", b"", "ca-key.pem can't be read"),
        ("ca-key.pem", None, "ca-key.pem is missing"),
    ],
)
def test_a_damaged_authority_is_named_and_never_replaced(authority, file, content, says):
    path = authority.folder / file
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(OperationError, match=says) as caught:
        Authority(authority.folder)
    assert str(authority.folder) in caught.value.hint


def test_a_root_beside_the_key_of_another_is_told(authority, tmp_path):
    other = Authority(tmp_path / "other")
    (authority.folder / "ca-key.pem").write_bytes((other.folder / "ca-key.pem").read_bytes())
    with pytest.raises(OperationError, match="does not fit"):
        Authority(authority.folder)


def test_a_leaf_is_no_authority(authority):
    leaf = authority.leaf(NAMES, "balancer")
    authority.ca.write_bytes(leaf.certificate.read_bytes())
    with pytest.raises(OperationError, match="no certificate of an authority"):
        Authority(authority.folder)


@pytest.mark.parametrize("days", [-10, 4000])
def test_an_authority_out_of_its_time_is_told(authority, calendar, days):
    calendar.pass_days(days)
    with pytest.raises(OperationError, match="is valid until"):
        Authority(authority.folder, calendar.clock)


def test_a_start_that_ended_between_key_and_root_is_gone_on_with(authority):
    key = (authority.folder / "ca-key.pem").read_bytes()
    authority.ca.unlink()
    Authority(authority.folder)
    assert (authority.folder / "ca-key.pem").read_bytes() == key


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OperationError, match=r"cannot write in .*file"):
        Authority(tmp_path / "file")


RACE = """
import sys
from pathlib import Path
from headrace.certs.authority import Authority
authority = Authority(Path(sys.argv[1]))
leaf = authority.leaf(["localhost"], "balancer")
print(authority.ca.read_bytes().hex(), leaf.certificate.read_bytes().hex(), leaf.key.read_bytes().hex())
"""


def test_processes_that_start_at_the_same_instant_agree(tmp_path):
    def start(_number):
        return subprocess.run(
            [sys.executable, "-c", RACE, tmp_path / "certs"], capture_output=True, text=True, check=False
        )

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(start, range(6)))
    assert [process.stderr for process in done] == [""] * 6
    assert len({process.stdout for process in done}) == 1
    assert sorted(path.name for path in (tmp_path / "certs").iterdir()) == [
        ".lock",
        "balancer-key.pem",
        "balancer.pem",
        "ca-key.pem",
        "ca.pem",
    ]


def test_an_authority_says_when_it_is_about_to_end(authority, calendar, caplog):
    calendar.pass_days(3615)
    authority.leaf(NAMES, "balancer")
    assert not caplog.records
    calendar.pass_days(10)
    authority.leaf(NAMES, "balancer")
    (record,) = caplog.records
    assert f"{authority.expires:%Y-%m-%d}" in record.message
    assert str(authority.folder) in record.message


def test_an_authority_that_ends_while_it_is_used_signs_no_more(authority, calendar):
    leaf = authority.leaf(NAMES, "balancer")
    before = leaf.certificate.read_bytes()
    calendar.pass_days(3660)
    with pytest.raises(OperationError, match="is valid until"):
        authority.leaf(NAMES, "balancer")
    assert leaf.certificate.read_bytes() == before
