"""What the tests of the logs share."""

import pytest

from .stub_collector import stub_collector


@pytest.fixture
def collector(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "state"))
    with stub_collector() as running:
        yield running
