"""`headrace balance` that can't start says why in one line."""

import shutil
import socket

import pytest

from headrace.certs.authority import Authority

pytest.importorskip("headrace._core", reason="the compiled core is not installed")

FREE = ("--address", "127.0.0.1:0", "--admin", "127.0.0.1:0")


@pytest.fixture
def pairs(tmp_path):
    authority = Authority(tmp_path / "other")
    return [authority.leaf(["localhost"], label) for label in ("one", "two")]


@pytest.mark.parametrize("flag", ["--address", "--admin"])
def test_a_taken_port_is_named(fails, flag):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        message = fails(1, "balance", *FREE, flag, address)
    assert address in message
    assert flag in message or "another" in message


def test_one_port_for_both_addresses_is_named(fails):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    assert address in fails(1, "balance", "--address", address, "--admin", address)


@pytest.mark.parametrize("flag", ["--address", "--admin"])
@pytest.mark.parametrize("address", ["2000", "127.0.0.1:70000", "127.0.0.1:http", ":2000", "::1:2000", "https://x:1"])
def test_an_address_that_cannot_be_one_says_what_is_accepted(fails, flag, address):
    message = fails(2, "balance", *FREE, flag, address)
    assert f"{flag} cannot be {address!r}; give host:port" in message


@pytest.mark.parametrize("flag", ["--address", "--admin"])
def test_an_address_that_does_not_exist_is_named(fails, flag):
    assert "nowhere.invalid:2000" in fails(1, "balance", *FREE, flag, "nowhere.invalid:2000")


def test_an_unreadable_certificate_is_named(fails, pairs, tmp_path):
    missing = tmp_path / "missing.pem"
    assert str(missing) in fails(1, "balance", *FREE, "--cert", missing, "--key", pairs[0].key)


def test_a_certificate_that_is_none_is_named(fails, pairs, tmp_path):
    (tmp_path / "text.pem").write_text("no certificate")
    assert "text.pem" in fails(1, "balance", *FREE, "--cert", tmp_path / "text.pem", "--key", pairs[0].key)


def test_a_key_that_does_not_fit_is_named(fails, pairs):
    message = fails(1, "balance", *FREE, "--cert", pairs[0].certificate, "--key", pairs[1].key)
    assert str(pairs[1].key) in message or str(pairs[0].certificate) in message


def test_a_certificate_needs_its_key(fails, pairs):
    assert "--key" in fails(2, "balance", *FREE, "--cert", pairs[0].certificate)


def test_plain_and_a_certificate_contradict_each_other(fails, pairs):
    flags = ("--plain", "--cert", pairs[0].certificate, "--key", pairs[0].key)
    assert "contradict" in fails(2, "balance", *FREE, *flags)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--policy", "fastest"), "round-robin, least-loaded"),
        (("--threads", "many"), "whole number"),
        (("--routes", "/api"), "host/path=service"),
        (("--servers", "3000"), "host:port"),
    ],
)
def test_a_wrong_setting_says_what_is_accepted(headrace, flags, said):
    done = headrace("balance", *FREE, *flags)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_authority_is_one_line(fails, tmp_path, headrace):
    Authority(tmp_path / "state" / "certs")
    (tmp_path / "state").chmod(0o700)
    (tmp_path / "state" / "certs" / "ca.pem").write_text("damaged")
    assert "ca.pem" in fails(1, "balance", *FREE)


def test_a_state_folder_of_others_is_refused(fails, tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o777)
    assert "chmod 700" in fails(2, "balance", *FREE)
    shutil.rmtree(folder)
