"""The state folder."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headrace.errors import HeadraceError, OperationError, UsageError
from headrace.state import StateFolder, write_atomically


def test_the_flag_comes_before_the_variable_before_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    environ = {"HEADRACE_HOME": str(tmp_path / "variable")}
    assert StateFolder.at(tmp_path / "flag", environ).path == tmp_path / "flag"
    assert StateFolder.at(None, environ).path == tmp_path / "variable"
    assert StateFolder.at(None, {}).path == tmp_path / ".headrace"


def test_a_missing_folder_is_made_for_its_owner_only(tmp_path):
    assert StateFolder.at(tmp_path / "a" / "b", {}).path.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_write_in_is_refused(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(UsageError, match="chmod 700"):
        StateFolder.at(tmp_path, {})


def test_a_link_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="symbolic link"):
        StateFolder.at(tmp_path / "link", {})


def test_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="not a folder"):
        StateFolder.at(tmp_path / "file", {})


def test_a_folder_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(HeadraceError, match="--state"):
        StateFolder.at(tmp_path / "file" / "below", {})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(tmp_path):
    os.chown(tmp_path, 12345, 12345)
    with pytest.raises(UsageError, match="another user"):
        StateFolder.at(tmp_path, {})


def test_without_a_token_there_is_none_until_one_is_made(tmp_path):
    state = StateFolder.at(tmp_path / "s", {})
    assert state.token(environ={}) is None
    token = state.token(create=True, environ={})
    assert token == state.token(environ={}) == state.token(create=True, environ={})


def test_the_variable_comes_before_the_file_and_makes_none(tmp_path):
    state = StateFolder.at(tmp_path / "s", {})
    assert state.token(create=True, environ={"HEADRACE_BALANCER_TOKEN": " given "}) == "given"
    assert not (state.path / "token").exists()


def test_processes_that_make_the_token_at_once_agree(tmp_path):
    state = StateFolder.at(tmp_path / "s", {})
    with ThreadPoolExecutor(16) as pool:
        tokens = set(pool.map(lambda _: state.token(create=True, environ={}), range(64)))
    assert len(tokens) == 1
    assert [path.name for path in state.path.iterdir()] == ["token"]


def test_an_empty_token_is_an_error_that_says_what_to_do(tmp_path):
    state = StateFolder.at(tmp_path / "s", {})
    (state.path / "token").touch()
    with pytest.raises(OperationError, match="delete the file"):
        state.token(environ={})


def test_a_write_replaces_whole_and_leaves_nothing_else(tmp_path):
    target = tmp_path / "file"
    write_atomically(target, b"one")
    write_atomically(target, b"two", 0o644)
    assert target.read_bytes() == b"two"
    assert target.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [target]


def test_a_write_that_fails_names_the_file_and_leaves_nothing(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OperationError, match="folder"):
        write_atomically(tmp_path / "folder", b"x")
    with pytest.raises(OperationError, match="missing"):
        write_atomically(Path(tmp_path / "missing" / "file"), b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
