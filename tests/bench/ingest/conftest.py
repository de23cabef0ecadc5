from pathlib import Path

import pytest

from headrace.bench.ingest.golang import PATIENCE, compiled
from headrace.bench.load import Generator
from headrace.bench.rig import Effort, Rig
from headrace.bench.tools import GO

HERE = Path(__file__).parent


@pytest.fixture
def rig(setting):
    """A rig without the backend, which nobody posts to."""
    return Rig(setting, Generator(setting.core, setting.folder), 0, Effort(seconds=1, rounds=1))


@pytest.fixture(scope="session", autouse=True)
def _compiled_once():
    """Before anything is timed: the first time Go compiles its own library, too."""
    if GO.path():
        compiled("collector")


def pytest_collection_modifyitems(items):
    """Compiling counts as the time of whichever test comes first."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(PATIENCE + 300))
