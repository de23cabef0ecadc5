"""Streams keep their numbers."""

import json

import pytest

from headrace.errors import OperationError, UsageError
from headrace.ingest.streams import MOST, assign, read_path, streams


@pytest.mark.parametrize(
    ("text", "path", "name"),
    [
        ("/", "/", ""),
        ("/orders", "/orders", "orders"),
        ("/orders/", "/orders/", "orders"),
        ("/v1/in=orders", "/v1/in", "orders"),
        ("/in=", "/in", ""),
        ("/a.b_c-1", "/a.b_c-1", "a.b_c-1"),
    ],
)
def test_a_path_names_its_stream(text, path, name):
    assert read_path(text) == (path, name)


@pytest.mark.parametrize("text", ["orders", "", "/a/b", "/a b", "/a=b/c", "/a=..", "/a=dt=x", "/=" + "a" * 65, "/ä"])
def test_what_cannot_be_a_path_or_a_folder_is_refused(text):
    with pytest.raises(UsageError, match="paths cannot have"):
        read_path(text)


def test_numbers_outlive_the_settings(tmp_path):
    file = tmp_path / "streams.json"
    first = streams(["/", "/a", "/b"], file)
    assert first.posted == [("/", 0), ("/a", 1), ("/b", 2)]
    second = streams(["/c", "/b"], file)
    assert second.posted == [("/c", 3), ("/b", 2)]
    assert second.names == {0: "", 1: "a", 2: "b", 3: "c"}


def test_two_paths_may_lead_to_one_stream(tmp_path):
    assert streams(["/x=a", "/y=a"], tmp_path / "file").posted == [("/x", 1), ("/y", 1)]


def test_a_path_belongs_to_one_stream(tmp_path):
    with pytest.raises(UsageError, match="twice"):
        streams(["/x=a", "/x=b"], tmp_path / "file")


@pytest.mark.parametrize("text", ["[]", "{", '{"a": "x"}', "7"])
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / "file").write_text(text)
    with pytest.raises(OperationError, match="file doesn't hold streams"):
        streams(["/"], tmp_path / "file")


def test_the_journal_has_so_many_numbers():
    known = {str(number): number for number in range(1, MOST + 1)}
    assert assign(["7"], known)["7"] == 7
    with pytest.raises(UsageError, match="65535 streams"):
        assign(["new"], known)


def test_the_file_is_written_when_there_is_news_alone(tmp_path):
    file = tmp_path / "file"
    streams(["/a"], file)
    before = file.stat().st_ino
    streams(["/a"], file)
    assert file.stat().st_ino == before
    assert json.loads(file.read_text()) == {"": 0, "a": 1}
