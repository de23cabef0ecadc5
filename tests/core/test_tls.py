"""TLS towards clients: versions, ALPN, names, reload, resumption, and what is not TLS at all."""

from __future__ import annotations

import contextlib
import socket
import ssl
import warnings

import httpx
import pytest

from headrace._core import Tls, TlsError

from .app_server import answers_once, echoes
from .wire import Client, connect, eventually, reply, request


@pytest.fixture
def proxy(start_server, start_balancer, tls):
    return start_balancer([start_server(echoes)], tls=tls, limits={"header_timeout": 0.5})


def shown(address: str, context: ssl.SSLContext, name: str | None) -> bytes | None:
    """The certificate that the balancer shows for a name."""
    with context.wrap_socket(connect(address), server_hostname=name) as sock:
        return sock.getpeercert(binary_form=True)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["h2", "http/1.1"], "h2"),
        (["http/1.1", "h2"], "h2"),
        (["http/1.1"], "http/1.1"),
        (["h2"], "h2"),
        ([], None),
    ],
)
def test_alpn_chooses_the_protocol(proxy, authority, offered, chosen):
    client = proxy.client(tls=authority.client_context(*offered))
    assert client.sock.selected_alpn_protocol() == chosen
    if chosen != "h2":
        assert client.get().status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_current_versions_are_spoken(proxy, authority, version):
    client = proxy.client(tls=authority.client_context(version=version))
    assert client.sock.version() == version.name.replace("_", ".")
    assert client.get().body == b"/"


def test_old_versions_are_refused(proxy, authority):
    context = authority.client_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        proxy.client(tls=context)


@pytest.mark.parametrize("http2", [False, True])
def test_httpx_is_served(proxy, authority, http2):
    with httpx.Client(verify=authority.client_context(), http2=http2) as client:
        response = client.post(f"https://{proxy.address}/", content=b"x" * 100_000)
        assert response.content == b"x" * 100_000
        assert response.http_version == ("HTTP/2" if http2 else "HTTP/1.1")


def test_each_name_has_its_certificate(start_balancer, authority, localhost):
    other = authority.leaf("other.test")
    address = start_balancer([], tls=Tls([localhost.pair, other.pair])).address
    context = authority.client_context()
    assert shown(address, context, "localhost") == localhost.der
    assert shown(address, context, "other.test") == other.der
    assert shown(address, context, "OTHER.test") == other.der


def test_an_unknown_name_is_shown_the_first(start_balancer, authority, localhost):
    address = start_balancer([], tls=Tls([localhost.pair, authority.leaf("other.test").pair])).address
    context = authority.client_context()
    context.check_hostname = False
    assert shown(address, context, "unknown.test") == localhost.der
    assert shown(address, context, None) == localhost.der


def test_a_wildcard_certificate_is_shown_for_its_names(start_balancer, authority, localhost):
    wildcard = authority.leaf("*.apps.test")
    address = start_balancer([], tls=Tls([localhost.pair, wildcard.pair])).address
    assert shown(address, authority.client_context(), "blog.apps.test") == wildcard.der


def test_new_certificates_are_for_new_connections(start_server, start_balancer, authority, localhost, tls):
    proxy = start_balancer([start_server(echoes)], tls=tls)
    standing = proxy.client(tls=authority.client_context())
    renewed = authority.leaf("localhost")
    proxy.listener.set_tls(Tls([renewed.pair]))
    assert shown(proxy.address, authority.client_context(), "localhost") == renewed.der
    assert standing.get().status == 200


def test_a_plain_listener_cannot_become_tls(start_balancer, tls):
    with pytest.raises(TlsError):
        start_balancer([]).listener.set_tls(tls)


def test_tls_1_3_sessions_are_resumed(proxy, authority):
    context = authority.client_context(version=ssl.TLSVersion.TLSv1_3)
    first = Client(proxy.address, tls=context)
    first.get()  # tickets come after the handshake
    session = first.sock.session
    first.close()
    assert resumes(proxy.address, context, session)
    assert proxy.engine.counters().tls_resumed == 1


def test_tls_1_2_sessions_are_resumed(proxy, authority):
    context = authority.client_context(version=ssl.TLSVersion.TLSv1_2)
    with context.wrap_socket(connect(proxy.address), server_hostname="localhost") as sock:
        session = sock.session
    assert resumes(proxy.address, context, session)


def test_sessions_are_resumed_on_any_thread(start_server, start_balancer, authority, tls):
    proxy = start_balancer([start_server(echoes)], tls=tls, threads=2)
    context = authority.client_context(version=ssl.TLSVersion.TLSv1_3)
    for _ in range(10):
        first = Client(proxy.address, tls=context)
        first.get()
        session = first.sock.session
        first.close()
        assert resumes(proxy.address, context, session)


def resumes(address: str, context: ssl.SSLContext, session: ssl.SSLSession) -> bool:
    with context.wrap_socket(connect(address), server_hostname="localhost", session=session) as sock:
        sock.sendall(request("GET", "/", "Connection: close"))
        assert sock.recv(12) == b"HTTP/1.1 200"
        return sock.session_reused


@pytest.mark.parametrize(
    "data", [b"\0" * 100, b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 500]
)
def test_what_is_not_tls_is_closed_and_counted(proxy, authority, data):
    client = proxy.client()
    client.send(data)
    assert b"HTTP/1.1 200" not in client.rest()
    assert eventually(lambda: proxy.engine.counters().tls_failed == 1)
    assert proxy.client(tls=authority.client_context()).get().status == 200


@pytest.mark.parametrize("data", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01"], ids=["silent", "partial"])
def test_a_slow_handshake_is_cut(proxy, data):
    client = proxy.client()
    client.send(data)
    client.rest()
    assert eventually(lambda: proxy.engine.counters().connections_open == 0)


def test_a_client_that_distrusts_leaves_no_trace(proxy):
    with contextlib.suppress(ssl.SSLError):
        ssl.create_default_context().wrap_socket(connect(proxy.address), server_hostname="localhost")
    assert eventually(lambda: proxy.engine.counters().connections_open == 0)


def test_the_end_of_a_body_until_close_is_announced(start_server, start_balancer, tls, authority):
    """Without close_notify a truncated body would look the same."""
    app = start_server(answers_once(b"HTTP/1.0 200 OK\r\n\r\nold"))
    client = start_balancer([app], tls=tls).client(tls=authority.client_context())
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert client.response().body == b"old"
    assert client.ended_cleanly()


def test_a_cut_body_until_close_is_not_announced(start_server, start_balancer, tls, authority):
    app = start_server(answers_once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nold\r\n"))
    client = start_balancer([app], tls=tls).client(tls=authority.client_context())
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert not client.response().complete


def test_large_bodies_pass(start_server, start_balancer, tls, authority, in_background):
    client = start_balancer([start_server(echoes)], tls=tls).client(tls=authority.client_context())
    body = bytes(range(256)) * 8000
    client.send(request("POST", "/", f"Content-Length: {len(body)}", body=body))
    assert client.response().body == body


@pytest.mark.parametrize("missing", ["chain", "key"])
def test_a_file_that_is_not_there_is_named(localhost, tmp_path, missing):
    path = str(tmp_path / "nothing.pem")
    pair = (path, localhost.key) if missing == "chain" else (localhost.chain, path)
    with pytest.raises(TlsError, match=r"nothing\.pem"):
        Tls([pair])


def test_a_file_that_holds_something_else_is_named(localhost, tmp_path):
    path = tmp_path / "rubbish.pem"
    path.write_text("rubbish")
    with pytest.raises(TlsError, match=r"rubbish\.pem"):
        Tls([(str(path), localhost.key)])
    with pytest.raises(TlsError, match=r"rubbish\.pem"):
        Tls([(localhost.chain, str(path))])


def test_a_key_of_another_certificate_is_refused(localhost, authority):
    with pytest.raises(TlsError):
        Tls([(localhost.chain, authority.leaf("other.test").key)])


def test_tls_without_a_certificate_is_refused():
    with pytest.raises((TlsError, ValueError)):
        Tls([])


def test_half_a_request_over_tls_ends_with_its_connection(proxy, authority):
    client = proxy.client(tls=authority.client_context())
    client.send(b"GET / HTTP/1.1\r\n")
    client.sock.shutdown(socket.SHUT_RDWR)
    assert eventually(lambda: proxy.engine.counters().connections_open == 0)


def test_a_response_over_tls_1_2_and_1_3_is_the_same(start_server, start_balancer, tls, authority):
    proxy = start_balancer([start_server(answers_once(reply(b"x" * 50_000)))], tls=tls)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert proxy.client(tls=authority.client_context(version=version)).get().body == b"x" * 50_000
