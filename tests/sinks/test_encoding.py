"""Batches as the bytes of an object."""

import gzip
import sys
from dataclasses import replace

import pytest

from headrace.errors import UsageError
from headrace.sinks import Batch, Runs
from headrace.sinks.encoding import FORMATS, check

from .samples import HOUR, batch, run

ALL = pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.suffix)


@ALL
def test_the_same_payloads_give_the_same_bytes_however_they_were_read(form):
    whole = batch(0, 1000)
    pieces = Batch("node", "", HOUR, Runs(tuple(run(first, 10) for first in range(0, 1000, 10))))
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
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"parquet needs pyarrow; pip install 'headrace\[parquet\]'"):
        check("parquet")


def test_a_zstd_object_is_read_in_one_call():
    zstandard = pytest.importorskip("zstandard")
    object_ = FORMATS["ndjson.zst"].encode(batch(0, 5000))
    assert zstandard.ZstdDecompressor().decompress(object_) == batch(0, 5000).lines


@pytest.mark.parametrize(("form", "levels"), [("ndjson.gz", 9), ("ndjson.zst", 19)])
def test_a_format_has_levels(form, levels):
    assert check(form, levels) == form
    with pytest.raises(UsageError, match=f"{form} has no level {levels + 1}; levels are 1 to {levels}"):
        check(form, levels + 1)
    small, large = (FORMATS[form].encode(replace(batch(0, 5000), level=level)) for level in (levels, 1))
    assert len(small) < len(large)
    assert FORMATS[form].decode(small) == FORMATS[form].decode(large)


def test_what_is_no_object_of_a_format_is_an_error():
    for form in FORMATS.values():
        with pytest.raises(Exception, match=r".+"):
            form.decode(b"not at all")
