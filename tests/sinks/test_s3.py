"""Which buckets the core uploads to, and over which connections."""

import pytest

from headrace.sinks import Transient
from headrace.sinks.s3 import bucket
from headrace.sinks.target import sink_for
from tests.core.certificates import Authority

from .samples import batch
from .store_server import environment, scripted_store

FIXED = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
LOCAL = {**FIXED, "AWS_ENDPOINT_URL": "http://127.0.0.1:9000"}


@pytest.mark.parametrize(
    "environ",
    [
        LOCAL,
        {**LOCAL, "AWS_ENDPOINT_URL": "http://127.0.0.1:9000/"},
        {**LOCAL, "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000"},
        {**LOCAL, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"},
        {**LOCAL, "AWS_PROFILE": "obstore doesn't read it", "AWS_CA_BUNDLE": "nor this"},
    ],
)
def test_with_fixed_credentials_the_core_does_it(environ):
    assert bucket("s3://landed/raw", environ).folder == "raw/"
    assert bucket("s3a://landed", environ).folder == ""


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"AWS_ACCESS_KEY_ID": "key"},
        {**LOCAL, "AWS_SECRET_ACCESS_KEY": ""},
        {**LOCAL, "AWS_SESSION_TOKEN": "it expires"},
        {**LOCAL, "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true"},
        {**LOCAL, "AWS_SERVER_SIDE_ENCRYPTION": "aws:kms"},
        {**LOCAL, "AWS_CHECKSUM_ALGORITHM": "sha256"},
        {**LOCAL, "AWS_SKIP_SIGNATURE": "true"},
        {**LOCAL, "https_proxy": "http://127.0.0.1:3128"},
        {**LOCAL, "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9001"},
        {**LOCAL, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"},
        {**LOCAL, "AWS_ENDPOINT_URL": "nowhere"},
        {**FIXED, "AWS_ENDPOINT_URL": "https://127.0.0.1:9000", "SSL_CERT_DIR": "/etc/ssl/certs"},
        {**FIXED, "AWS_ENDPOINT_URL": "https://127.0.0.1:9000", "SSL_CERT_FILE": __file__},
    ],
)
def test_what_it_does_not_know_stays_with_obstore(environ):
    assert bucket("s3://landed/raw", environ) is None


@pytest.mark.parametrize(
    "url", ["gs://landed", "az://landed", "file:///landed", "s3://landed/a%20b", "s3://landed/../b"]
)
def test_other_stores_and_odd_keys_stay_with_obstore(url):
    assert bucket(url, LOCAL) is None


@pytest.fixture
def tls_store(tmp_path, monkeypatch):
    """A store that shows a certificate of `authority`."""
    authority = Authority(tmp_path / "theirs")
    with scripted_store(authority.leaf("127.0.0.1").server_context()) as store:
        for name, value in environment(store.url).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("SSL_CERT_DIR", raising=False)
        yield store, authority


async def test_over_tls_it_lands_at_a_store_that_is_trusted(tls_store, monkeypatch):
    store, authority = tls_store
    monkeypatch.setenv("SSL_CERT_FILE", authority.ca)
    await sink_for("s3://landed").put(batch(count=20, form="each"))
    assert len(store.puts) == 20


async def test_over_tls_nothing_goes_to_a_stranger(tls_store, tmp_path, monkeypatch):
    store, _ = tls_store
    monkeypatch.setenv("SSL_CERT_FILE", Authority(tmp_path / "ours").ca)
    with pytest.raises(Transient, match="certificate"):
        await sink_for("s3://landed").put(batch(form="each"))
    assert not store.puts
