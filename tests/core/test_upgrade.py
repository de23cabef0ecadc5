"""`Upgrade` turns a connection into a tunnel: WebSocket and anything else that the server agrees to."""

from __future__ import annotations

import contextlib
import threading

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import serve

from headrace._core import Route, Server

from .app_server import Connection, answers, echoes
from .wire import eventually, reply, request

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n"
ASKS = request("GET", "/", "Connection: keep-alive, Upgrade", "Upgrade: shout")


def shouts(connection: Connection) -> None:
    """Agrees, greets in the same write, then answers in capitals until the client has said all."""
    connection.request()
    connection.send(SWITCH + b"HELLO ")
    while data := connection.some():
        connection.send(data.upper())
    connection.send(b"BYE")


def test_bytes_flow_both_ways_after_101(start_server, start_balancer):
    app = start_server(shouts)
    client = start_balancer([app]).client()
    client.send(ASKS)
    switch = client.response()
    assert (switch.status, switch["upgrade"], switch["connection"].lower()) == (101, "shout", "upgrade")
    assert client.read(6) == b"HELLO "
    client.send(b"\0not http\r\n\r\n")
    assert client.read(13) == b"\0NOT HTTP\r\n\r\n"
    assert app.requests[0]["upgrade"] == "shout"
    assert "upgrade" in app.requests[0]["connection"].lower()


def test_a_tunnel_goes_past_the_edge_cache(start_server, start_balancer):
    def greets_or_shouts(connection: Connection) -> None:
        if "upgrade" not in connection.request():
            connection.send(reply(b"stored", "Cache-Control: max-age=3600"))
            return
        connection.send(SWITCH)
        while data := connection.some():
            connection.send(data.upper())

    app = start_server(greets_or_shouts)
    proxy = start_balancer([app], routes=[Route("web", cached=True)])
    for _ in range(2):
        assert proxy.client().get("/").body == b"stored"
    for word in (b"one", b"two"):
        client = proxy.client()
        client.send(ASKS)
        assert client.response().status == 101
        client.send(word)
        assert client.read(3) == word.upper()
    assert len(app.requests) == 3
    assert proxy.client().get("/").body == b"stored"
    assert len(app.requests) == 3


def test_each_side_of_a_tunnel_closes_for_itself(start_server, start_balancer):
    client = start_balancer([start_server(shouts)]).client()
    client.send(ASKS)
    client.response()
    client.send(b"last")
    client.half_close()
    assert client.rest() == b"HELLO LASTBYE"


def test_a_megabyte_passes_a_tunnel(start_server, start_balancer, in_background):
    client = start_balancer([start_server(shouts)]).client()
    client.send(ASKS)
    client.response()
    sending = in_background(client.send, b"x" * 1_000_000)
    assert client.read(1_000_006) == b"HELLO " + b"X" * 1_000_000
    sending.result()


def test_a_refused_upgrade_is_an_ordinary_response(start_server, start_balancer):
    client = start_balancer(
        [start_server(answers(reply(b"no", status="426 Upgrade Required"), reply(b"next")))]
    ).client()
    client.send(ASKS)
    assert client.response().status == 426
    assert client.get("/").body == b"next"


def test_what_follows_a_refused_upgrade_is_the_next_request(start_server, start_balancer):
    app = start_server(answers(reply(b"no"), reply(b"next")))
    client = start_balancer([app]).client()
    client.send(ASKS + request("GET", "/next"))
    assert [client.response().body, client.response().body] == [b"no", b"next"]
    assert app.targets == ["/", "/next"]


@pytest.mark.parametrize("fields", [["Upgrade: shout"], ["Connection: Upgrade"]], ids=["no-connection", "no-upgrade"])
def test_half_an_upgrade_is_none(start_server, start_balancer, fields):
    app = start_server(echoes)
    assert start_balancer([app]).client().get("/", *fields).status == 200
    assert "upgrade" not in app.requests[0]


@pytest.mark.parametrize("protocol", ["h2c", "H2C", "websocket, h2c", "h2c,websocket", "HTTP/2.0"])
def test_http_2_cannot_be_smuggled_in_by_upgrade(start_server, start_balancer, protocol):
    """Through such a tunnel a client would reach whatever it likes past the balancer's checks."""
    app = start_server(echoes)
    client = start_balancer([app]).client()
    settings = "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"
    client.get("/", "Connection: Upgrade, HTTP2-Settings", f"Upgrade: {protocol}", settings)
    assert all("upgrade" not in message and "http2-settings" not in message for message in app.requests)


def test_a_switch_to_another_protocol_than_was_asked_for_is_a_502(start_server, start_balancer):
    client = start_balancer([start_server(shouts)]).client()
    assert client.get("/", "Connection: Upgrade", "Upgrade: whisper").status == 502


def test_a_request_with_a_body_changes_no_protocol(start_server, start_balancer):
    """Where the body ends and the tunnel begins is where two parsers may disagree."""
    app = start_server(echoes)
    client = start_balancer([app]).client()
    assert client.post(b"hello", "/", "Connection: Upgrade", "Upgrade: shout").body == b"hello"
    assert "upgrade" not in app.requests[0]


def test_http_1_0_changes_no_protocol(start_server, start_balancer):
    app = start_server(echoes)
    client = start_balancer([app]).client()
    client.send(b"GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n")
    assert client.response().status == 200
    assert "upgrade" not in app.requests[0]


def test_tunnels_are_counted_and_their_requests_stay_in_flight(start_server, start_balancer):
    proxy = start_balancer([start_server(shouts)])
    client = proxy.client()
    client.send(ASKS)
    client.response()
    assert proxy.engine.counters().tunnels_open == 1
    assert proxy.stats().in_flight == 1
    client.close()
    assert eventually(lambda: proxy.engine.counters().tunnels_open == 0 and proxy.stats().in_flight == 0)


def test_an_idle_tunnel_is_closed(start_server, start_balancer):
    client = start_balancer([start_server(shouts)], options={"stream_idle_timeout": 0.3}).client()
    client.send(ASKS)
    client.response()
    assert client.rest().startswith(b"HELLO ")


def test_a_tunnel_that_is_used_is_not_idle(start_server, start_balancer):
    client = start_balancer([start_server(shouts)], options={"stream_idle_timeout": 0.6}).client()
    client.send(ASKS)
    client.response()
    assert client.read(6) == b"HELLO "
    for _ in range(10):
        assert not client.readable(0.1)
        client.send(b"x")
        assert client.read(1) == b"X"


@pytest.fixture
def websocket_app():
    """A WebSocket echo on the `websockets` library."""

    def echo(connection) -> None:
        with contextlib.suppress(ConnectionClosed):
            for message in connection:
                connection.send(message)

    with serve(echo, "127.0.0.1", 0, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Server("ws", f"127.0.0.1:{server.socket.getsockname()[1]}")
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_websockets_work(start_balancer, websocket_app, authority, tls, scheme):
    proxy = start_balancer([websocket_app], tls=tls if scheme == "wss" else None)
    context = authority.client_context() if scheme == "wss" else None
    with connect(f"{scheme}://localhost/", sock=proxy.client().sock, ssl=context, max_size=None) as socket:
        for message in ("text", b"\0binary", "x" * 1_000_000):
            socket.send(message)
            assert socket.recv() == message
        assert socket.ping().wait(10)
        socket.close(4000, "enough")
        assert socket.close_code == 4000
