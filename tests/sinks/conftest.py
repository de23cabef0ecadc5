"""What the tests of sinks share."""

import pytest

from .store_server import environment, s3_server


@pytest.fixture(scope="session")
def s3_url():
    with s3_server() as url:
        yield url


@pytest.fixture
def s3(s3_url, monkeypatch):
    """The environment that leads to the server, and its URL."""
    for name, value in environment(s3_url).items():
        monkeypatch.setenv(name, value)
    return s3_url
