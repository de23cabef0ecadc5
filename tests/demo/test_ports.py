import re
import socket
from pathlib import Path

import pytest

from headrace.demo.ports import Ports, settle
from headrace.demo.stage import Scene, parts
from headrace.errors import OperationError, UsageError


@pytest.fixture
def taken():
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_zero_becomes_a_free_port_and_the_workers_get_theirs_in_a_row():
    ports = settle(Ports(0, 0, 0, 0, 0, 0), "127.0.0.1", 3)
    assert len(set(ports.all(3))) == 8
    for port in ports.all(3):
        with socket.create_server(("127.0.0.1", port)):
            pass


@pytest.mark.parametrize("part", ["public", "admin", "blog", "data", "cache", "logs"])
def test_a_taken_port_is_named_with_ports_that_are_free(taken, part):
    free = settle(Ports(0, 0, 0, 0, 0, 0), "127.0.0.1", 1)
    with pytest.raises(OperationError, match=f"port {taken} is taken") as caught:
        settle(Ports(**{**vars(free), part: taken}), "127.0.0.1", 1)
    numbers = [int(number) for number in re.findall(r"-port (\d+)", caught.value.hint)]
    assert settle(Ports(*numbers), "127.0.0.1", 1) == Ports(*numbers)


def test_a_taken_port_of_a_later_worker_is_named(taken):
    free = settle(Ports(0, 0, 0, 0, 0, 0), "127.0.0.1", 1)
    with pytest.raises(OperationError, match=f"{taken}.* taken"):
        settle(Ports(free.public, free.admin, taken - 1, free.data, free.cache, free.logs), "127.0.0.1", 2)


def test_a_port_is_used_once():
    with pytest.raises(UsageError, match="port 3001 would be used twice"):
        settle(Ports(public=3001), "127.0.0.1", 2)


def test_a_port_has_a_highest():
    with pytest.raises(UsageError, match="there is no port 65536"):
        settle(Ports(0, 0, 65535, 0, 0, 0), "127.0.0.1", 2)


def test_an_address_of_another_machine_is_told():
    with pytest.raises(OperationError, match=r"cannot listen on 192\.0\.2\.77"):
        settle(Ports(0, 0, 0, 0, 0, 0), "192.0.2.77", 1)


def test_each_folder_of_posts_has_a_database_of_its_own():
    def database(scene):
        return parts(scene)[0].environment["HEADRACE_DEMO_DATABASE"]

    own = Scene(Path("/s"), Ports())
    other = Scene(Path("/s"), Ports(), posts=Path("/home/ada/notes"))
    assert database(own) == "/s/demo/blog.db"
    assert database(other) == "/s/demo/home-ada-notes.db"


def test_an_ipv6_host_is_bracketed():
    assert "[::1]:2000" in parts(Scene(Path("/s"), Ports(), host="::1"))[1].arguments
