"""The comparison is fair: every peer does the same work on a request."""

import re
import socket
import socketserver
import threading

import pytest

from headrace.bench.load import CIPHER, Generator
from headrace.bench.peer import CADDY_PEER, H2O_PEER, HAPROXY_PEER, HEADRACE, NGINX_PEER, PEERS
from headrace.bench.tools import H2LOAD, WRK

OTHERS = [peer for peer in PEERS if peer is not HEADRACE]
CAN_ALL = [HEADRACE, NGINX_PEER, HAPROXY_PEER, CADDY_PEER]


class Backend(socketserver.ThreadingTCPServer):
    """Answers everything and remembers the heads it was sent, by connection."""

    daemon_threads = True

    def __init__(self):
        self.heads = []
        super().__init__(("127.0.0.1", 0), Answer)


class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        while head := self._head():
            self.server.heads.append((self.client_address, head))
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def _head(self):
        lines = []
        while (line := self.rfile.readline().decode().rstrip()) or not lines:
            if not line:
                return None
            lines.append(line)
        fields = (line.split(":", 1) for line in lines[1:])
        return {name.lower(): value.strip() for name, value in fields}


@pytest.fixture
def backend():
    with Backend() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(port, times):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        answers = client.makefile("rb")
        for _ in range(times):
            client.sendall(b"GET / HTTP/1.1\r\nHost: example.org\r\nX-Forwarded-For: 10.1.2.3\r\n\r\n")
            assert answers.readline().split()[1] == b"200"
            head = b"".join(iter(answers.readline, b"\r\n"))
            answers.read(int(re.search(rb"(?i)content-length: *(\d+)", head).group(1)))


def address(server):
    return f"127.0.0.1:{server.server_address[1]}"


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_each_peer_tells_the_server_who_asked_and_keeps_connections(peer, backend, setting, need):
    need(peer.tool)
    with peer.started(setting, [address(backend)], tls=False) as (_, url):
        before = len(backend.heads)
        ask(int(url.rstrip("/").rsplit(":", 1)[1]), times=5)
        heads = [(client, head) for client, head in backend.heads[before:] if "x-forwarded-for" in head]
    assert len(heads) == 5
    # All five came over one connection from the client, and over one that was kept towards the server.
    assert len({client for client, _ in heads}) == 1
    for _, head in heads:
        assert head["host"] == "example.org"
        assert head["x-forwarded-for"].split(", ")[-1] == "127.0.0.1"
        assert head["x-forwarded-proto"] == "http"
    if peer in CAN_ALL:
        assert {head["x-forwarded-host"] for _, head in heads} == {"example.org"}
        assert len({head["x-request-id"] for _, head in heads}) == 5


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_each_peer_agrees_on_the_same_cipher(peer, backend, setting, need):
    need(peer.tool, H2LOAD)
    generator = Generator(setting.core, setting.folder)
    with peer.started(setting, [address(backend)], tls=True) as (_, url):
        assert generator.negotiated(url) == f"TLSv1.3 {CIPHER}"


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_each_peer_bears_the_loads(peer, backend, setting, need):
    need(peer.tool, H2LOAD, WRK)
    generator = Generator(setting.core, setting.folder)
    with peer.started(setting, [address(backend)], tls=True) as (_, url):
        for load in (generator.http1(url, 1), generator.http2(url, 1, streams=8)):
            assert load.requests > 0
            assert load.errors == 0


def test_only_h2o_cannot_name_host_and_request():
    assert [peer for peer in OTHERS if peer not in CAN_ALL] == [H2O_PEER]
