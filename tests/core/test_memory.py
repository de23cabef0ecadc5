"""Memory of a process that does nothing but balance stays flat, whatever the bodies and however slow their readers."""

from __future__ import annotations

import select
import threading

from .app_server import Connection, echoes
from .wire import PATIENCE, Client, eventually, reply, request

FLAT = 8_000_000
"""Bytes that a process may grow by: a few read buffers, thread stacks, what the allocator keeps."""


def warm(address: str) -> Client:
    client = Client(address)
    assert client.get("/warm").status == 200
    return client


def sink(connection: Connection) -> None:
    """Reads bodies without keeping them."""
    while message := connection.head():
        left = int(message.all("content-length")[0]) if "content-length" in message else 0
        while left:
            data = connection.sock.recv(min(left, 1 << 20)) if not connection._buffer else connection._take(left)
            left -= len(data)
        connection.send(reply())


def source(connection: Connection) -> None:
    """Sends 200 MB for /large."""
    part = bytes(1 << 20)
    while message := connection.request():
        count = 200 if message.target == "/large" else 1
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (count << 20))
        for _ in range(count):
            connection.send(part)


def test_a_large_upload_passes_in_flat_memory(start_server, start_process):
    balancer = start_process(start_server(sink).address)
    client = warm(balancer.address)
    before = balancer.resident()
    client.send(request("POST", "/", f"Content-Length: {200 << 20}"))
    part, most = bytes(1 << 20), 0
    for _ in range(200):
        client.send(part)
        most = max(most, balancer.resident())
    assert client.response().status == 200
    assert most - before < FLAT
    client.close()


def test_a_large_download_passes_in_flat_memory(start_server, start_process):
    balancer = start_process(start_server(source).address)
    client = warm(balancer.address)
    before = balancer.resident()
    client.send(request("GET", "/large"))
    client.message()
    left, most = 200 << 20, 0
    left -= len(client._take(left))
    while left:
        left -= len(client.sock.recv(1 << 20))
        most = max(most, balancer.resident())
    assert most - before < FLAT
    client.close()


def push(client: Client) -> int:
    """Bytes that can be sent until nothing moves for half a second."""
    client.sock.setblocking(False)
    part, sent = bytes(1 << 20), 0
    while select.select([], [client.sock], [], 0.5)[1]:
        sent += client.sock.send(part)
    return sent


def test_a_slow_server_stops_the_client(start_server, start_process):
    gate = threading.Event()

    def late(connection: Connection) -> None:
        if (message := connection.head()) and message.target == "/warm":
            connection.send(reply())
            connection.head()
        gate.wait(PATIENCE)

    balancer = start_process(start_server(late).address)
    client = warm(balancer.address)
    before = balancer.resident()
    client.send(request("POST", "/", f"Content-Length: {200 << 20}"))
    assert push(client) < 32 << 20  # what the kernel's buffers take
    assert balancer.resident() - before < FLAT
    gate.set()
    client.close()


def test_a_slow_client_stops_the_server(start_server, start_process):
    app = start_server(source)
    balancer = start_process(app.address)
    client = warm(balancer.address)
    slow = Client(balancer.address, receive_buffer=4096)
    before = balancer.resident()
    slow.send(request("GET", "/large"))
    assert slow.message().status == 200
    assert not eventually(lambda: balancer.resident() - before > FLAT, within=1.0)
    slow.close()
    client.close()


def test_idle_connections_are_cheap(start_server, start_process):
    balancer = start_process(start_server(echoes).address)
    warm(balancer.address).close()
    before = balancer.resident()
    clients = [Client(balancer.address) for _ in range(1000)]
    assert all(client.get().status == 200 for client in clients)
    assert eventually(lambda: (balancer.resident() - before) / len(clients) < 8192, within=2.0)
    for client in clients:
        client.close()
