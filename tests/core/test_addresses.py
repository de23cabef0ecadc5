"""Where the engine listens and where servers are: IPv4, IPv6, names, Unix sockets, TLS that is verified."""

from __future__ import annotations

import socket

import pytest

from headrace._core import AddressError, Balancer, ClientTls, CoreError, Engine, Server, TlsError

from .app_server import Connection, answers_once, echoes
from .certificates import Authority
from .wire import Client, eventually, reply


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "localhost:0"])
def test_it_listens_where_it_is_told(start_server, start_balancer, address):
    proxy = start_balancer([start_server(echoes)], address=address)
    assert not proxy.address.endswith(":0")
    assert proxy.client().get().status == 200


def test_one_balancer_may_have_several_listeners(start_server, start_balancer, tls, authority):
    proxy = start_balancer([start_server(echoes)])
    second = proxy.engine.listen("127.0.0.1:0", proxy.balancer, tls=tls)
    client = Client(second.address, tls=authority.client_context())
    assert client.get().status == 200
    client.close()
    assert proxy.client().get().status == 200


def test_a_listener_needs_nobody_to_hold_it(start_server, start_balancer):
    proxy = start_balancer([start_server(echoes)])
    address = proxy.engine.listen("127.0.0.1:0", proxy.balancer).address
    client = Client(address)
    assert client.get().status == 200
    client.close()


def test_a_listener_that_is_closed_accepts_no_more(start_server, start_balancer):
    proxy = start_balancer([start_server(echoes)])
    standing = proxy.client()
    standing.get()
    proxy.listener.close()
    with pytest.raises(ConnectionRefusedError):
        Client(proxy.address)
    assert standing.get().status == 200


def test_a_port_that_another_program_has_is_refused(start_balancer):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(AddressError, match=address):
            start_balancer([], address=address)


def test_a_port_that_another_engine_has_is_refused(start_balancer):
    """Threads of one engine share a port; two engines by mistake would share its clients."""
    address = start_balancer([], threads=2).address
    with pytest.raises(AddressError, match=address):
        start_balancer([], address=address)


@pytest.mark.parametrize(
    "address", ["", "nonsense", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:x", "[::1", "192.0.2.1:0"]
)
def test_an_address_that_cannot_be_is_refused(start_balancer, address):
    with pytest.raises(AddressError):
        start_balancer([], address=address)


@pytest.mark.parametrize("address", ["", "nonsense", "127.0.0.1:99999", "unix:"])
def test_a_server_s_address_is_checked(address):
    with pytest.raises((CoreError, ValueError)):
        Server("a", address)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0"])
def test_servers_are_reached_over_ip(start_server, start_balancer, address):
    app = start_server(echoes, address=address)
    assert start_balancer([app]).client().get("/there").body == b"/there"


def test_servers_are_reached_by_name(start_server, start_balancer):
    app = start_server(echoes)
    port = app.address.rpartition(":")[2]
    assert start_balancer([Server("s0", f"localhost:{port}")]).client().get("/there").body == b"/there"


def test_servers_are_reached_over_unix_sockets(start_server, start_balancer, tmp_path):
    apps = [start_server(echoes, address=f"unix:{tmp_path}/{number}.sock") for number in range(2)]
    client = start_balancer(apps).client()
    assert [client.get(f"/{number}").body for number in range(4)] == [b"/0", b"/1", b"/2", b"/3"]
    assert [len(app.connections) for app in apps] == [1, 1]


def test_a_unix_socket_that_is_gone_is_a_502(start_balancer, tmp_path):
    assert start_balancer([Server("s0", f"unix:{tmp_path}/gone.sock")]).client().get().status == 502


@pytest.fixture
def secure(start_server, start_balancer, authority, localhost):
    """A proxy in front of a TLS server with this leaf, verified as told."""

    def start(leaf=localhost, *, ca=authority.ca, server_name=None, script=echoes, address="127.0.0.1:0"):
        app = start_server(script, tls=leaf.server_context(), address=address)
        server = Server("s0", app.address, tls=ClientTls(ca, server_name=server_name))
        return start_balancer([server]), app

    return start


def test_a_server_over_tls_is_reached(secure):
    proxy, app = secure()
    client = proxy.client()
    assert [client.get().status for _ in range(3)] == [200] * 3
    assert len(app.connections) == 1


def test_a_server_over_tls_and_a_unix_socket_is_localhost(secure, tmp_path):
    proxy, _ = secure(address=f"unix:{tmp_path}/app.sock")
    assert proxy.client().get().status == 200


def test_the_name_to_verify_can_be_given(secure, authority):
    proxy, _ = secure(authority.leaf("app.internal"), server_name="app.internal")
    assert proxy.client().get().status == 200


def test_the_name_is_told_to_the_server(start_server, start_balancer, authority):
    names = []
    leaf = authority.leaf("app.internal")
    context = leaf.server_context()
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    app = start_server(echoes, tls=context)
    server = Server("s0", app.address, tls=ClientTls(authority.ca, server_name="app.internal"))
    assert start_balancer([server]).client().get().status == 200
    assert names == ["app.internal"]


def test_sessions_are_resumed_with_each_of_the_servers_of_a_host(start_server, start_balancer, authority, localhost):
    """A session of the one means nothing to the other."""

    def once(connection: Connection) -> None:
        connection.request()
        connection.send(reply(b"bye", "Connection: close"))

    contexts = [localhost.server_context() for _ in range(2)]
    apps = [start_server(once, tls=context) for context in contexts]
    verified = ClientTls(authority.ca)
    proxy = start_balancer([Server(f"s{index}", app.address, tls=verified) for index, app in enumerate(apps)])
    client = proxy.client()
    for _ in range(12):
        assert client.get().status == 200
    assert [context.session_stats()["hits"] for context in contexts] == [5, 5]


def assert_not_trusted(proxy, app) -> None:
    assert proxy.client().post(b"secret").status == 502
    assert "certificate" in proxy.stats().last_failure.lower()
    assert eventually(lambda: app.tls_failures or app.connections)
    assert app.received == b""


def test_a_server_with_another_name_is_not_trusted(secure, authority):
    assert_not_trusted(*secure(authority.leaf("other.test")))


def test_a_server_of_an_unknown_authority_is_not_trusted(secure, tmp_path):
    assert_not_trusted(*secure(Authority(tmp_path / "stranger").leaf("localhost", "127.0.0.1")))


def test_a_server_with_an_expired_certificate_is_not_trusted(secure, authority):
    assert_not_trusted(*secure(authority.leaf("localhost", "127.0.0.1", days=-1)))


def test_a_plain_server_where_tls_is_told_is_a_502(start_server, start_balancer, authority):
    app = start_server(echoes)
    server = Server("s0", app.address, tls=ClientTls(authority.ca))
    proxy = start_balancer([server], options={"connect_timeout": 0.5})
    assert proxy.client().post(b"secret").status in {502, 504}
    assert b"secret" not in app.received


@pytest.mark.parametrize(("polite", "complete"), [(True, True), (False, False)])
def test_a_body_until_close_is_whole_only_if_its_end_was_announced(secure, polite, complete):
    """Without close_notify anybody on the way could have ended it."""

    def until_close(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        if not polite:
            connection.cut()

    proxy, _ = secure(script=until_close)
    response = proxy.client().get()
    assert (response.status == 200 and response.complete) is complete


def test_an_authority_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(TlsError, match=r"nothing\.pem"):
        ClientTls(str(tmp_path / "nothing.pem"))
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    with pytest.raises(TlsError, match=r"rubbish\.pem"):
        ClientTls(str(rubbish))


def test_threads_can_be_counted(authority):
    engine = Engine(threads=2)
    try:
        assert engine.threads == 2
        assert engine.listen("127.0.0.1:0", Balancer()).address.startswith("127.0.0.1:")
    finally:
        engine.stop(0)


def test_large_bodies_pass_over_tls_to_the_server(secure):
    proxy, _ = secure()
    body = bytes(range(256)) * 8000
    assert proxy.client().post(body).body == body


def test_a_server_over_tls_that_closed_is_reconnected(secure):
    proxy, app = secure(script=answers_once(reply()))
    client = proxy.client()
    for count in range(1, 4):
        assert client.post(b"x").status == 200
        assert eventually(lambda count=count: [c.sock.fileno() for c in app.connections] == [-1] * count)
