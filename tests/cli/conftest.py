import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest


@pytest.fixture
def headrace(tmp_path):
    """Run the command in a folder of its own, with a state folder and an environment of its own."""

    def run(*arguments: str | Path, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        environment = {"HEADRACE_HOME": str(tmp_path / "state"), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        command = [sys.executable, "-m", "headrace", *map(str, arguments)]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=tmp_path,
            env=environment | package_path() | dict(environ or {}),
        )

    return run


def package_path() -> dict[str, str]:
    """Let the child find the package where this process found it."""
    import headrace

    return {"PYTHONPATH": str(Path(headrace.__file__).parent.parent)}


@pytest.fixture
def fails(headrace):
    """Run the command and expect one clear line and an exit code; that line."""

    def run(code: int, *arguments: str | Path, **options) -> str:
        done = headrace(*arguments, **options)
        assert done.returncode == code, done.stderr
        lines = done.stderr.strip().splitlines()
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("headrace: error: ")
        return lines[0].removeprefix("headrace: error: ")

    return run
