import subprocess
from pathlib import Path

import pytest

from headrace.bench.ingest import golang
from headrace.bench.ingest.golang import SOURCES, compiled
from headrace.bench.tools import GO
from headrace.errors import OperationError


def test_programs_are_compiled_once_for_each_change(need):
    need(GO)
    path = Path(compiled("store"))
    before = path.stat().st_mtime_ns
    assert Path(compiled("collector")).parent == path.parent
    assert Path(compiled("store")).stat().st_mtime_ns == before


def test_sources_are_formatted_as_go_wants_them(need):
    need(GO)
    root = subprocess.run([GO.require(), "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()
    told = subprocess.run([f"{root}/bin/gofmt", "-l", str(SOURCES)], capture_output=True, text=True, check=True)
    assert told.stdout == ""


def test_what_cannot_be_compiled_is_one_clear_error(need, tmp_path, monkeypatch):
    need(GO)
    (tmp_path / "go.mod").write_text("module peers\n\ngo 1.23\n")
    (tmp_path / "broken.go").write_text("package main\n\nfunc main() { nonsense }\n")
    monkeypatch.setattr(golang, "SOURCES", tmp_path)
    with pytest.raises(OperationError, match="undefined: nonsense"):
        compiled("broken")
