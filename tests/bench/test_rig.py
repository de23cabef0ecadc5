import socket
from urllib.request import urlopen

import pytest

from headrace.bench.peer import HEADRACE, NGINX_PEER
from headrace.bench.proxied import cost
from headrace.bench.rig import MEGABYTE, Effort, Target, rig
from headrace.bench.tools import H2LOAD, NGINX, WRK

BRIEF = Effort(seconds=1, rounds=1, idle_connections=10)


def test_the_backend_is_a_thousand_servers_and_none_of_them_outside_loopback(need):
    need(NGINX)
    with rig(BRIEF) as stand:
        servers = stand.servers(1000)
        assert len(set(servers)) == 1000
        assert all(server.startswith("127.0.") for server in servers)
        for server in (servers[0], servers[-1]):
            with urlopen(f"http://{server}/", timeout=10) as answer:
                assert answer.read() == b"Hello from the backend\n"
        with urlopen(f"http://{servers[0]}/megabyte", timeout=10) as answer:
            assert len(answer.read()) == MEGABYTE
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", stand.backend), timeout=10)


def test_a_running_proxy_can_stand_in_for_headrace(need):
    need(NGINX, WRK, H2LOAD)
    with rig(BRIEF) as stand, stand.proxy(NGINX_PEER, tls=True) as running:
        with (
            rig(BRIEF, attached=[Target(running.pid, running.url)]) as other,
            other.proxy(HEADRACE, tls=True) as target,
        ):
            assert target == running
            sample = cost(HEADRACE, other, tls=True)
        assert sample.valid
        assert sample.value > 0
