"""`headrace servers` against a running balancer."""

import json
import re
import subprocess
import sys
from contextlib import contextmanager

import pytest

from .conftest import package_path

pytest.importorskip("headrace._core", reason="the compiled core is not installed")


@contextmanager
def started(tmp_path, *arguments):
    """A verb that goes on running, and the first line it printed."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "headrace", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=package_path() | {"HEADRACE_HOME": str(tmp_path / "state")},
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


@pytest.fixture
def admin(tmp_path):
    flags = ("--json", "--address", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--servers", "127.0.0.1:9")
    with started(tmp_path, "balance", *flags) as process:
        yield json.loads(process.stdout.readline())["admin"]


def test_servers_are_listed_as_a_table(headrace, admin):
    lines = headrace("servers", "list", "--balancer", admin).stdout.splitlines()
    assert re.split(r"  +", lines[0])[:3] == ["ID", "ADDRESS", "STATE"]
    assert re.split(r"  +", lines[1])[:3] == ["s1", "127.0.0.1:9", "joining"]


def test_listing_is_the_default_and_can_be_json(headrace, admin):
    (record,) = json.loads(headrace("servers", "--json", "--balancer", admin).stdout)
    assert record["address"] == "127.0.0.1:9"


def test_the_admin_address_may_come_from_the_settings(headrace, admin):
    environ = {"HEADRACE_BALANCER_ADMIN": admin.removeprefix("https://")}
    assert "s1" in headrace("servers", environ=environ).stdout


@pytest.mark.parametrize("name", ["s1", "127.0.0.1:9"])
def test_the_operator_lends_a_hand_by_id_or_address(headrace, admin, name):
    def state(verb):
        return json.loads(headrace("servers", verb, name, "--json", "--balancer", admin).stdout)["state"]

    assert [state("drain"), state("undrain"), state("remove")] == ["draining", "joining", "gone"]


def test_changes_are_watched(headrace, admin, tmp_path):
    with started(tmp_path, "servers", "watch", "--json", "--balancer", admin) as watch:
        states = []
        while not states:
            headrace("servers", "drain", "s1", "--balancer", admin)
            headrace("servers", "undrain", "s1", "--balancer", admin)
            states.append(json.loads(watch.stdout.readline())["state"])
        assert states[0] in ("draining", "joining")


def test_an_unknown_server_is_one_line(fails, admin):
    assert "s99" in fails(2, "servers", "drain", "s99", "--balancer", admin)


def test_a_wrong_token_is_one_line_that_says_how_to_find_it(fails, admin):
    environ = {"HEADRACE_BALANCER_TOKEN": "wrong"}
    assert "headrace token" in fails(1, "servers", "--balancer", admin, environ=environ)


def test_a_balancer_that_is_not_there_is_one_line(fails, admin):
    assert "127.0.0.1:1" in fails(1, "servers", "--balancer", "https://127.0.0.1:1")
