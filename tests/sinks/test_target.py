"""What `--to` may say."""

import pytest

from headrace.errors import OperationError, UsageError
from headrace.sinks.function import FunctionSink
from headrace.sinks.memory import MemorySink
from headrace.sinks.objectstore import ObjectStoreSink
from headrace.sinks.target import sink_for


def test_a_path_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sink = sink_for("./landed here")
    assert isinstance(sink, ObjectStoreSink)
    assert (tmp_path / "landed here").is_dir()
    assert sink.url == (tmp_path / "landed here").as_uri()


def test_memory_is_memory():
    assert isinstance(sink_for("memory://"), MemorySink)


def test_a_function_is_found_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "sink_of_mine.py").write_text("def store(payloads): ...")
    monkeypatch.chdir(tmp_path)
    assert isinstance(sink_for("sink_of_mine:store"), FunctionSink)


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("s3://", UsageError, "names no object store"),
        ("ftp://host", UsageError, "no store is known for ftp://host"),
        ("az://container", UsageError, "Account must be specified"),
        ("shop", UsageError, "write module:function"),
        ("no_such_module:store", OperationError, "No module named 'no_such_module'"),
        ("json:no_such_function", OperationError, "no_such_function"),
        ("sys:path", OperationError, "is a list, not a function"),
    ],
)
def test_what_cannot_be_a_target_is_refused_in_one_line(target, error, message):
    with pytest.raises(error, match=message) as raised:
        sink_for(target)
    assert "\n" not in str(raised.value)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot use"):
        sink_for(str(tmp_path / "file" / "folder"))
