"""What the scenarios share: a machine whose disk and clock do as they are told."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .machine import Machine
from .scenario import Scenario


@pytest.fixture
def scenario(tmp_path):
    return Scenario(tmp_path)


@pytest.fixture(scope="session")
def faults(tmp_path_factory):
    """The library that is preloaded into a service."""
    compiler = shutil.which("cc")
    if compiler is None:
        assert not os.environ.get("CI"), "cc is needed"
        pytest.skip("there is no C compiler")
    library = tmp_path_factory.mktemp("faults") / "faults.so"
    source = Path(__file__).with_name("faults.c")
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return library


@pytest.fixture
def machine(tmp_path, faults):
    return Machine(tmp_path, faults)
