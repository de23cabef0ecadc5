"""A worker's TLS, seen by OpenSSL's clients over real sockets; the server runs on uvloop, as workers do."""

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
import uvloop
from websockets.sync.client import connect

from headrace.app import tls as app_tls
from headrace.app.http1 import Connection
from headrace.app.place import Place
from headrace.app.plan import Certificate
from headrace.app.server import Server, Shown
from headrace.app.wsgi import Bridge
from headrace.certs.authority import Authority
from tests.processes import until

PATIENCE = 20.0
GET = b"GET /path HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
MUCH = 64 << 20
BUFFERS = 24 << 20  # bytes that kernel and event loop may hold between the two, generously


def client_context(authority, version=None, protocols=()):
    context = ssl.create_default_context(cafile=authority.ca)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


class Secured:
    """An app served over TLS, on a loop in a thread."""

    def __init__(self, app, certificate, ca, keep_alive=75.0):
        self._app, self._certificate, self._ca, self._keep_alive = app, certificate, ca, keep_alive
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(PATIENCE)

    def client(self, *, version=None, protocols=(), session=None):
        """A connection; a cut that nobody announced is an error."""
        context = self.context(version, protocols) if session is None else session.context
        plain = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        return context.wrap_socket(
            plain,
            server_hostname="localhost",
            suppress_ragged_eofs=False,
            session=None if session is None else session.session,
        )

    def context(self, version=None, protocols=()):
        return client_context(self._ca, version, protocols)

    def raw(self):
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def stop(self):
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self.server.stop, PATIENCE / 2)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _run(self):
        uvloop.run(self._serve())

    async def _serve(self):
        self._loop = asyncio.get_running_loop()
        self.server = Server(self._app, {}, keep_alive=self._keep_alive, certificate=self._certificate)
        place, listener = Place("127.0.0.1").bind()
        self.port = place.port
        serving = asyncio.create_task(self.server.serve([listener]))
        await self.server.listening.wait()
        self._ready.set()
        await serving


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority):
    leaf = authority.leaf(["localhost"], "app")
    return Certificate(str(leaf.certificate), str(leaf.key), str(authority.ca))


@pytest.fixture
def secured(authority, certificate):
    """`secured(app)`: it is served, and ended with the test."""
    with contextlib.ExitStack() as stack:

        def start(app, **options):
            served = Secured(app, certificate, authority, **options)
            stack.callback(served.stop)
            return served

        yield start


def says(body=b"ok"):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return app


class Uploads:
    """An app that takes a body and remembers how it ended."""

    def __init__(self):
        self.received, self.last = 0, None

    async def __call__(self, scope, receive, send):
        while self.last is None:
            message = await receive()
            self.received += len(message.get("body", b""))
            if not message.get("more_body"):
                self.last = message["type"]
        await says(b"%d" % self.received)(scope, receive, send)


def response(connection, body):
    """One response with this body, its head."""
    got = b""
    while not got.endswith(b"\r\n\r\n" + body):
        piece = connection.recv(65_536)
        assert piece, got
        got += piece
    return got


def rest(connection):
    got = bytearray()
    while piece := connection.recv(1 << 20):
        got += piece
    return bytes(got)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
def test_requests_are_answered_one_after_the_other(secured, version):
    with secured(says()).client(version=version, protocols=["h2", "http/1.1"]) as client:
        for _ in range(3):
            client.sendall(GET)
            assert response(client, b"ok").startswith(b"HTTP/1.1 200 OK\r\n")
        assert client.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
        assert client.selected_alpn_protocol() == "http/1.1"


def test_the_app_sees_who_asks_and_how(secured):
    seen = {}

    async def app(scope, receive, send):
        seen.update(scope)
        await says()(scope, receive, send)

    served = secured(app)
    with served.client() as client:
        client.sendall(LAST)
        rest(client)
        assert seen["scheme"] == "https"
        assert seen["client"] == client.getsockname()
        assert seen["server"] == ("127.0.0.1", served.port)


def test_a_request_right_behind_the_handshake_is_not_lost(secured, authority):
    """Both may come in one read, or in pieces of any size."""
    served = secured(says())
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context(authority).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with served.raw() as raw:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                raw.sendall(outgoing.read())
                incoming.write(raw.recv(65_536))
        tls.write(GET)
        for byte in outgoing.read():
            raw.sendall(bytes([byte]))
        got = b""
        while not got.endswith(b"ok"):
            incoming.write(raw.recv(65_536))
            with contextlib.suppress(ssl.SSLWantReadError):
                got += tls.read(65_536)


def test_a_session_is_resumed(secured):
    served = secured(says())
    with served.client() as first:
        first.sendall(GET)
        response(first, b"ok")
        with served.client(session=first) as second:
            assert second.session_reused


def test_an_orderly_end_is_announced_behind_all_that_was_written(secured):
    body = os.urandom(8 << 20)
    with secured(says(body)).client() as client:
        client.sendall(LAST)
        assert response_body(rest(client)) == body


def response_body(raw):
    return raw.partition(b"\r\n\r\n")[2]


def test_the_end_of_idleness_is_announced(secured):
    with secured(says(), keep_alive=0.1).client() as client:
        client.sendall(GET)
        response(client, b"ok")
        assert client.recv(1) == b""


def test_a_response_that_breaks_off_does_not_look_whole(secured):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("as told")

    with secured(app).client() as client:
        client.sendall(LAST)
        with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
            rest(client)


@pytest.mark.parametrize("announced", [True, False])
def test_the_app_learns_that_the_client_has_gone(secured, announced):
    app = Uploads()
    with secured(app).client() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
        until(lambda: app.received == 4)
        if announced:
            client.unwrap()
    until(lambda: app.last == "http.disconnect")


def test_a_cut_is_reported_as_one_and_an_announced_end_is_not(secured, monkeypatch):
    lost, learn = [], Connection.connection_lost
    monkeypatch.setattr(Connection, "connection_lost", lambda self, why: (lost.append(why), learn(self, why)))
    served = secured(says())
    with served.client() as polite:
        polite.unwrap()
    until(lambda: lost == [None])
    with served.client() as rude:
        rude.sendall(GET)
        response(rude, b"ok")  # with all that is to be read, or the kernel tells of it by a reset
    until(lambda: len(lost) == 2)
    assert isinstance(lost[1], ConnectionAbortedError)


def test_plain_http_is_told_what_to_do(secured):
    with secured(says()).raw() as raw:
        raw.sendall(GET)
        answer = rest(raw)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"https://" in answer


def test_whoever_is_refused_reads_why_though_it_goes_on_sending(secured):
    served = secured(says())
    with served.raw() as raw:
        raw.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n")
        for _ in range(9):
            raw.sendall(bytes(100_000))
        assert rest(raw).startswith(b"HTTP/1.1 400 ")
    with served.client() as client:
        client.sendall(b"G\x01T / HTTP/1.1\r\n\r\n")
        for _ in range(9):
            client.sendall(bytes(100_000))
        assert rest(client).startswith(b"HTTP/1.1 400 ")


def test_what_is_no_tls_is_refused_and_noted_at_debug_only(secured, caplog):
    caplog.set_level(logging.DEBUG)
    served = secured(says())
    with served.raw() as raw:
        raw.sendall(b"\x00garbage\xff" * 10)
        assert rest(raw)[:1] == b"\x15"  # an alert
    with served.client() as client:
        client.sendall(LAST)
        assert response_body(rest(client)) == b"ok"
    notes = [record for record in caplog.records if record.name == app_tls.__name__]
    assert [record.levelname for record in notes] == ["DEBUG"]
    assert all(record.exc_info is None for record in caplog.records)


def test_a_client_that_does_not_shake_hands_is_sent_away(secured, monkeypatch):
    monkeypatch.setattr(app_tls, "HANDSHAKE_SECONDS", 0.1)
    with secured(says()).raw() as raw:
        raw.sendall(b"\x16\x03\x01")
        assert rest(raw) == b""


def test_one_that_has_is_not(secured, monkeypatch):
    monkeypatch.setattr(app_tls, "HANDSHAKE_SECONDS", 0.3)
    with secured(says()).client() as client:
        client.settimeout(0.6)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(PATIENCE)
        client.sendall(GET)
        response(client, b"ok")


def test_an_open_handshake_does_not_hold_up_the_end(secured):
    served = secured(says())
    with served.raw() as raw:
        raw.sendall(b"\x16\x03\x01")
        served.stop()
        assert rest(raw) == b""


def test_the_app_waits_for_a_client_that_does_not_read(secured):
    sent = [0]

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while sent[0] < MUCH:
            await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})
            sent[0] += 1 << 20
        await send({"type": "http.response.body", "body": b""})

    with secured(app).client() as client:
        client.sendall(LAST)
        assert stands_still(lambda: sent[0]) < BUFFERS
        assert len(response_body(rest(client))) > MUCH


def test_the_client_waits_for_an_app_that_does_not_read(secured):
    go, app = threading.Event(), Uploads()

    async def hesitant(scope, receive, send):
        await asyncio.get_running_loop().run_in_executor(None, go.wait, PATIENCE)
        await app(scope, receive, send)

    with secured(hesitant).client() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % MUCH)
        sent = [0]

        def upload():
            while sent[0] < MUCH:
                client.sendall(bytes(1 << 20))
                sent[0] += 1 << 20

        thread = threading.Thread(target=upload)
        thread.start()
        assert stands_still(lambda: sent[0]) < BUFFERS
        go.set()
        thread.join(PATIENCE)
        assert response_body(rest(client)) == b"%d" % MUCH


def stands_still(count):
    """What `count` gives once it has not changed for a while."""
    latest, since = count(), time.monotonic()
    while time.monotonic() - since < 0.5:
        time.sleep(0.01)
        if (current := count()) != latest:
            latest, since = current, time.monotonic()
    return latest


def test_websockets_work_both_ways(secured):
    async def app(scope, receive, send):
        assert scope["scheme"] == "wss"
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "bytes": message["bytes"]})

    served = secured(app)
    with connect(f"wss://localhost:{served.port}/", ssl=served.context(), max_size=None) as websocket:
        for size in (1, 100_000, 3_000_000):
            message = os.urandom(size)
            websocket.send(message)
            assert websocket.recv(PATIENCE) == message


def test_wsgi_apps_work_both_ways(secured):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", environ["wsgi.url_scheme"])])
        return iter(lambda: environ["wsgi.input"].read(65_536), b"")

    body = os.urandom(1 << 20)
    with secured(Bridge(app)).client() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
        client.sendall(body)
        answer = rest(client)
    assert b"https" in answer
    assert dechunked(response_body(answer)) == body


def dechunked(raw):
    body = b""
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        body, raw = body + raw[: int(size, 16)], raw[int(size, 16) + 2 :]
    return body


@pytest.fixture
def files(authority, tmp_path):
    """The files of a certificate that is to be replaced."""
    files = Certificate(str(tmp_path / "app.pem"), str(tmp_path / "app.key"), str(authority.ca))
    put(authority.leaf(["localhost"], "first"), files)
    return files


def put(leaf, files):
    shutil.copy(leaf.key, files.key)
    shutil.copy(leaf.certificate, files.certificate)
    os.utime(files.certificate, ns=(0, time.monotonic_ns()))  # a clock of coarse ticks might show the same time


def test_a_renewed_certificate_is_for_whoever_connects_next(secured, authority, files):
    served = secured(says())
    served.server._shown = shown = Shown(files)
    with served.client() as before:
        put(authority.leaf(["localhost"], "second"), files)
        shown.reload()
        with served.client() as after:
            assert before.getpeercert() != after.getpeercert()
        before.sendall(GET)
        response(before, b"ok")


def test_a_certificate_that_can_not_be_read_leaves_the_one_before(files, caplog):
    shown = Shown(files)
    before = shown.tls
    Path(files.certificate).write_text("rubbish")
    shown.reload()
    assert shown.tls is before
    assert "can't be read again" in caplog.text
