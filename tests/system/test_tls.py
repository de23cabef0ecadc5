"""TLS as it is offered when nobody configured anything."""

import socket
import ssl

import pytest
import sslyze
from sslyze.mozilla_tls_profile.tls_config_checker import (
    SCAN_COMMANDS_NEEDED_BY_MOZILLA_CHECKER,
    MozillaTlsConfiguration,
    TlsConfigurationEnum,
    check_server_against_tls_configuration,
)

from .stack import Stack


@pytest.fixture(scope="module")
def stack(shared: Stack) -> Stack:
    shared.balance()
    shared.serve("plain:app")
    return shared


def scan(stack: Stack, *commands: sslyze.ScanCommand) -> sslyze.ServerScanResult:
    place = sslyze.ServerNetworkLocation(hostname="localhost", port=stack.port, ip_address="127.0.0.1")
    trust = sslyze.ScanCommandsExtraArguments(
        certificate_info=sslyze.CertificateInfoExtraArgument(custom_ca_file=stack.ca)
    )
    scanner = sslyze.Scanner(per_server_concurrent_connections_limit=2)
    scanner.queue_scans(
        [sslyze.ServerScanRequest(place, scan_commands=set(commands), scan_commands_extra_arguments=trust)]
    )
    (result,) = scanner.get_results()
    return result


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # in a public root that sslyze brings along
def test_it_fulfils_mozillas_intermediate_profile(stack: Stack):
    result = scan(stack, *SCAN_COMMANDS_NEEDED_BY_MOZILLA_CHECKER)
    check_server_against_tls_configuration(
        result, MozillaTlsConfiguration.get(TlsConfigurationEnum.MOZILLA_INTERMEDIATE)
    )


def session(
    stack: Stack, trust: ssl.SSLContext, earlier: ssl.SSLSession | None = None
) -> tuple[ssl.SSLSession | None, bool | None]:
    """A connection with one request; its session and whether it resumed `earlier`."""
    with (
        socket.create_connection(("127.0.0.1", stack.port), timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname="localhost", session=earlier) as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        while connection.recv(4096):
            pass
        return connection.session, connection.session_reused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_session_is_resumed(stack: Stack, version: ssl.TLSVersion):
    trust = stack.trust
    trust.minimum_version = trust.maximum_version = version
    first, resumed = session(stack, trust)
    assert not resumed
    assert session(stack, trust, first)[1]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["1.0", "1.1"])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_older_versions_are_refused(stack: Stack, version: ssl.TLSVersion):
    old = ssl.create_default_context(cafile=str(stack.ca))
    old.minimum_version, old.maximum_version = version, version
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain, server_hostname="localhost")


def test_a_client_without_the_authority_is_warned(stack: Stack):
    strange = ssl.create_default_context()
    with (
        socket.create_connection(("127.0.0.1", stack.port), timeout=10) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        strange.wrap_socket(plain, server_hostname="localhost")
