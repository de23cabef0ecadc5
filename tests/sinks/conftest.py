"""What the tests of sinks share."""

import pytest

from tests.core.certificates import Authority

from .other_stores import AZURE, GOOGLE, blob_server
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


@pytest.fixture
def gs(tmp_path, monkeypatch):
    """What a stand-in for Google Cloud Storage keeps; the environment leads to it."""
    yield from _blobs(GOOGLE, tmp_path, monkeypatch)


@pytest.fixture
def az(tmp_path, monkeypatch):
    """The same for Azure."""
    yield from _blobs(AZURE, tmp_path, monkeypatch)


def _blobs(dialect, tmp_path, monkeypatch):
    authority = Authority(tmp_path / "authority")
    monkeypatch.setenv("SSL_CERT_FILE", authority.ca)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with blob_server(dialect, authority) as (url, blobs):
        for name, value in dialect.environment(url).items():
            monkeypatch.setenv(name, value)
        yield blobs
