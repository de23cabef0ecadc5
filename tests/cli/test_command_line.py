"""What every verb has in common."""

import importlib.util
import json
import subprocess
import sys

import pytest

from headrace.cli import VERBS
from headrace.cli.output import table

from .conftest import package_path

HAS_CORE = importlib.util.find_spec("headrace._core") is not None


def test_help_lists_the_verbs_without_importing_them(headrace):
    done = headrace("--help")
    assert done.returncode == 0
    for verb, summary in VERBS.items():
        assert f"{verb} " in done.stdout
        assert summary in done.stdout
    program = "import sys; from headrace.__main__ import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    modules = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=package_path()
    ).stderr.split()
    assert not {"httpx", "starlette", "uvicorn", "cryptography", "headrace._core"} & set(modules)


@pytest.mark.skipif(not HAS_CORE, reason="the compiled core is not installed")
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_examples_and_the_common_options(headrace, verb):
    text = headrace(verb, "--help").stdout
    assert "Examples:" in text
    assert f"headrace {verb}" in text or verb == "token"
    assert "\\" not in text.partition("Options:")[0]


@pytest.mark.skipif(not HAS_CORE, reason="the compiled core is not installed")
def test_the_version_is_told(headrace):
    assert headrace("--version").stdout.startswith("headrace 0.")


def test_a_verb_that_does_not_exist_suggests_the_nearest(fails):
    assert fails(2, "balanc") == "no such verb: balanc; did you mean balance?"
    assert fails(2, "xyz") == "no such verb: xyz; see headrace --help"


def test_an_option_that_does_not_exist_suggests_the_nearest(fails):
    assert "--state" in fails(2, "token", "--stat", "x")


def test_a_missing_verb_shows_the_help(headrace):
    done = headrace()
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: headrace")


def test_debug_shows_where_an_error_came_from(headrace):
    done = headrace("settings", "--settings", "missing.toml", "--log-level", "debug")
    assert "Traceback" in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("headrace: error: ")


def test_a_reader_that_goes_away_is_no_error(headrace, tmp_path):
    command = f"{sys.executable} -m headrace settings | head -c 1"
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, check=False, cwd=tmp_path, env=package_path()
    )
    assert done.stderr == ""


def test_the_token_is_made_once_and_printed(headrace, tmp_path):
    first, second = headrace("token").stdout, headrace("token", "--json").stdout
    assert json.loads(second) == {"token": first.strip()}
    assert len(first.strip()) >= 40
    assert (tmp_path / "state" / "token").stat().st_mode & 0o777 == 0o600


def test_the_token_of_the_environment_comes_first(headrace):
    assert headrace("token", environ={"HEADRACE_BALANCER_TOKEN": "given"}).stdout == "given\n"


def test_columns_are_aligned_and_numbers_stand_right():
    assert table(["ID", "REQUESTS"], [["s1", 5], ["s10", 1234]]).splitlines() == [
        "ID   REQUESTS",
        "s1          5",
        "s10      1234",
    ]


def test_a_table_without_rows_is_its_headings():
    assert table(["ID", "STATE"], []) == "ID  STATE"


def test_listing_servers_without_a_balancer_says_so_in_one_line(fails):
    message = fails(1, "servers")
    assert "authority" in message
    assert "headrace balance" in message
