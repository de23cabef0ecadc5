"""Fixtures of the system tests: stacks of real processes, and the tools they are tried with."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes import environment

from .stack import SITE, Stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A state folder of its own; `stack.balance()` and `stack.serve(app)` start processes on it."""
    stack = Stack(tmp_path)
    yield stack
    stack.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The same for the tests of one file together, when none of them hurts what runs."""
    stack = Stack(tmp_path_factory.mktemp("stack"))
    yield stack
    stack.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of the Django site: a migrated database with one superuser."""
    env = {
        "MYSITE_DATA": str(tmp_path_factory.mktemp("django")),
        "DJANGO_SETTINGS_MODULE": "mysite.settings",
        "DJANGO_SUPERUSER_PASSWORD": "only for tests",
    }
    manage = [sys.executable, "-m", "django"]
    for command in (["migrate"], ["createsuperuser", "--noinput", "--username", "ann", "--email", "ann@example.org"]):
        subprocess.run(
            [*manage, *command, "--verbosity", "0"], cwd=SITE, env=environment({"PYTHONPATH": str(SITE), **env}),
            check=True,
        )  # fmt: skip
    return env


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """The path of a program; without it the test fails under CI and is skipped elsewhere."""

    def find(name: str) -> str:
        path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
        if path is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(
                f"{name} isn't installed (.ci/run names its package)"
            )
        return path

    return find
