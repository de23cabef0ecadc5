import pytest

from headrace.bench.load import Generator
from headrace.bench.rig import Effort, Rig


@pytest.fixture
def rig(setting):
    """A rig without the backend, which nobody posts to."""
    return Rig(setting, Generator(setting.core, setting.folder), 0, Effort(seconds=1, rounds=1))


@pytest.fixture(scope="session", autouse=True)
def _compiled_once():
    """Go's own library takes a minute or more, which no test's time should be."""
    from headrace.bench.ingest.golang import compiled
    from headrace.bench.tools import GO

    if GO.path():
        compiled("collector")
