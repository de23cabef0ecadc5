"""A batch as a request, and what follows from its answer."""

import gzip
import json
import sys
from datetime import datetime, timezone

import pytest

from headrace.errors import UsageError
from headrace.ingest.posting import Next, compressor, follow, pause, post

NOW = datetime(2026, 1, 5, 8, 30, tzinfo=timezone.utc)


def test_payloads_are_sent_as_they_are():
    request = post([b'{"a": 1.50}', b"[]"], version='1"', token="té", encode=None)
    assert request.body.endswith(b'"data":[{"a": 1.50},[]]}')
    assert json.loads(request.body) == {"version": '1"', "token": "té", "data": [{"a": 1.5}, []]}
    assert request.headers["Content-Type"] == "application/json"


def test_each_batch_has_a_key_of_its_own():
    keys = {post([b"1"], version="1", token="", encode=None).headers["Idempotency-Key"] for _ in range(100)}
    assert len(keys) == 100


def test_large_bodies_are_compressed():
    request = post([b'{"a":1}'] * 500, version="1", token="", encode="gzip")
    assert request.headers["Content-Encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(request.body))["data"]) == 500


def test_small_bodies_are_not():
    request = post([b'{"a":1}'], version="1", token="", encode="gzip")
    assert "Content-Encoding" not in request.headers
    assert request.body.startswith(b"{")


def test_zstd_is_an_extra(monkeypatch):
    import zstandard

    assert zstandard.ZstdDecompressor().decompress(compressor("zstd")(b"x" * 2000)) == b"x" * 2000
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(UsageError, match=r"pip install 'headrace\[zstd\]'"):
        compressor("zstd")


def test_an_unknown_compression_is_refused():
    with pytest.raises(UsageError, match="unknown compression br; choose gzip, zstd or None"):
        compressor("br")


@pytest.mark.parametrize(
    ("status", "count", "step"),
    [
        (200, 10, Next.DONE),
        *((status, 10, Next.AGAIN) for status in (0, 408, 409, 425, 429, 500, 502, 503, 504, 507)),
        (413, 10, Next.SPLIT),
        (413, 1, Next.FAILED),
        *((status, 10, Next.FAILED) for status in (301, 400, 401, 403, 404, 405, 415, 422)),
    ],
)
def test_what_follows_from_an_answer(status, count, step):
    assert follow(status, count) is step


@pytest.mark.parametrize(
    ("attempt", "retry_after", "jitter", "seconds"),
    [
        (1, None, 1.0, 0.1),
        (1, None, 0.0, 0.0),
        (4, None, 0.5, 0.4),
        (1000, None, 1.0, 30.0),
        (1, "7", 0.0, 7.0),
        (1, "7", 1.0, 7.7),
        (9, "0", 1.0, 0.0),
        (1, "Mon, 05 Jan 2026 08:30:20 GMT", 0.0, 20.0),
        (1, "Mon, 05 Jan 2026 08:29:00 GMT", 0.0, 0.0),
        (2, "soon", 1.0, 0.2),
        (2, "-1", 1.0, 0.2),
    ],
)
def test_how_long_to_wait(attempt, retry_after, jitter, seconds):
    assert pause(attempt, retry_after, jitter, NOW) == pytest.approx(seconds)
