"""Batches as the bytes of an object."""

import gzip
import sys

import pytest

from headrace.errors import UsageError
from headrace.sinks import Batch
from headrace.sinks.encoding import FORMATS, check

from .samples import HOUR, batch, run

ALL = pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.suffix)


@ALL
def test_the_same_payloads_give_the_same_bytes_however_they_were_read(form):
    whole = batch(0, 1000)
    pieces = Batch("node", "", HOUR, tuple(run(first, 10) for first in range(0, 1000, 10)))
    assert form.encode(whole) == form.encode(pieces) == form.encode(batch(0, 1000))


@ALL
def test_what_was_encoded_comes_back(form):
    assert form.decode(form.encode(batch(0, 50))) == batch(0, 50).lines


@ALL
def test_an_object_is_smaller_than_its_payloads(form):
    assert len(form.encode(batch(0, 5000))) < batch(0, 5000).size / 3


def test_gzip_tells_no_time():
    assert FORMATS["ndjson.gz"].encode(batch())[4:8] == bytes(4)
    assert gzip.decompress(FORMATS["ndjson.gz"].encode(batch())) == batch().lines


def test_parquet_has_each_payload_with_its_number(tmp_path):
    import pyarrow.parquet

    (tmp_path / "a.parquet").write_bytes(FORMATS["parquet"].encode(batch(40, 2)))
    rows = pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert rows == [
        {"seq": 40, "payload": '{"id":40,"host":"web-1"}'},
        {"seq": 41, "payload": '{"id":41,"host":"web-2"}'},
    ]


def test_an_unknown_format_names_those_that_are_known():
    with pytest.raises(UsageError, match=r"unknown format csv; choose one of ndjson\.gz, ndjson\.zst, parquet, each"):
        check("csv")


def test_a_format_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(UsageError, match=r"ndjson\.zst needs zstandard; pip install 'headrace\[zstd\]'"):
        check("ndjson.zst")
