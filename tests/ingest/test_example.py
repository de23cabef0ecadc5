"""The example of the documents runs as it stands there."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.processes import environment, run

from .service_process import ingest

pytest.importorskip("headrace._core", reason="the compiled core is not installed")
pytest.importorskip("duckdb")

EXAMPLE = Path(__file__).parents[2] / "examples" / "machine"


def example(folder: Path, name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE / name), *arguments],
        cwd=folder,
        env=environment({"HEADRACE_HOME": str(folder / "state")}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_this_machine_is_sampled_posted_landed_asked_and_drawn(tmp_path):
    with ingest(tmp_path, plain=False) as service:
        said = example(tmp_path, "sample.py", "--url", service.url, "--seconds", "3", "--every", "0.25")
        posted = int(re.match(r"(\d+) payloads", said)[1])
        assert posted > 10
        service.until_landed()
        count = run("ingest", "query", "select count(*) as n from payloads", "--json", folder=tmp_path)
        assert json.loads(count.stdout) == [{"n": posted}]

    query = re.search(r'headrace ingest query "(.+)"', (EXAMPLE / "README.md").read_text())[1]
    assert "cpu_seconds" in run("ingest", "query", query, folder=tmp_path).stdout
    assert "machine.svg" in example(tmp_path, "plot.py", "./landed", "machine.svg")
    drawing = ET.parse(tmp_path / "machine.svg").getroot()
    assert len(drawing.findall("{http://www.w3.org/2000/svg}polyline")) > 1
