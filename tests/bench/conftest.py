import os

import pytest

from headrace.bench.certificate import make_certificate
from headrace.bench.peer import Setting


@pytest.fixture
def need():
    """Skips a test whose tool is missing; where everything must be installed, it fails."""

    def check(*tools):
        for tool in tools:
            if tool.path() is None:
                (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{tool.program} is missing: {tool.source}")

    return check


@pytest.fixture
def setting(tmp_path):
    # Servers that give up root must still reach their files, and pytest's folders are closed to others.
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    return Setting(min(os.sched_getaffinity(0)), tmp_path, make_certificate(tmp_path))
