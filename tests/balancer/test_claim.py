"""Balancers that share a state folder keep their members apart."""

import os
import signal

import pytest

from headrace.balancer import claim
from headrace.balancer.claim import claimed
from headrace.errors import OperationError
from tests.processes import free_port

from .appserver import app_server
from .conftest import eventually
from .process import balance

ONE, TWO, PASSING = "127.0.0.1:2001", "127.0.0.1:2101", "127.0.0.1:0"


def test_a_balancer_alone_has_the_plain_name(tmp_path):
    with claimed(tmp_path, ONE) as file:
        assert file == tmp_path / "membership.json"
        assert file.with_suffix(".lock").stat().st_mode & 0o777 == 0o600


def test_each_balancer_has_a_file_of_its_own(tmp_path):
    with claimed(tmp_path, ONE) as first, claimed(tmp_path, TWO) as second, claimed(tmp_path, PASSING) as third:
        assert [file.name for file in (first, second, third)] == [
            "membership.json",
            "membership-2.json",
            "membership-3.json",
        ]


def test_a_balancer_that_comes_back_has_the_file_it_had(tmp_path):
    with claimed(tmp_path, ONE), claimed(tmp_path, TWO):
        pass
    with claimed(tmp_path, TWO) as file:
        assert file.name == "membership-2.json"
    with claimed(tmp_path, ONE) as file:
        assert file.name == "membership.json"


def test_a_new_balancer_leaves_the_file_of_one_that_is_away(tmp_path):
    with claimed(tmp_path, ONE):
        pass
    with claimed(tmp_path, TWO) as file:
        assert file.name == "membership-2.json"


@pytest.mark.parametrize(("before", "after"), [(PASSING, ONE), (ONE, PASSING), (PASSING, PASSING)])
def test_a_passing_port_takes_and_gives_what_is_free(tmp_path, before, after):
    with claimed(tmp_path, before):
        pass
    with claimed(tmp_path, after) as file:
        assert file.name == "membership.json"


def test_a_file_from_before_there_were_locks_is_the_first_balancers(tmp_path):
    (tmp_path / "membership.json").touch()
    with claimed(tmp_path, ONE) as file:
        assert file.name == "membership.json"


def test_too_many_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(claim, "MOST", 1)
    with claimed(tmp_path, ONE), pytest.raises(OperationError, match="--state"), claimed(tmp_path, TWO):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OperationError, match=r"membership\.lock"), claimed(tmp_path, ONE):
        pass


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_two_balancers_on_one_state_folder_come_back_each_with_its_own_servers(tmp_path, how):
    state = tmp_path / "state"
    port = free_port(2)
    first, second = ("--admin", f"127.0.0.1:{port}"), ("--admin", f"127.0.0.1:{port + 1}")
    async with app_server("one") as one, app_server("two") as two:
        async with balance(state, *first) as running, balance(state, *second) as other:
            await running.register(one)
            await other.register(two)
            files = [state / "membership.json", state / "membership-2.json"]
            await eventually(lambda: all(file.exists() and '"up"' in file.read_text() for file in files))
            await running.end(how)
            await other.end(how)
        async with balance(state, *second) as other, balance(state, *first) as running:
            assert (await other.public.get("/")).text == "two"
            assert (await running.public.get("/")).text == "one"
