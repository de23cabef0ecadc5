"""Every test that docs/cache.md names for a requirement of RFC 9111 is there."""

from __future__ import annotations

import re
from pathlib import Path

from .edge_cases import CASES

ROOT = Path(__file__).parents[2]


def named() -> set[str]:
    table = (ROOT / "docs" / "cache.md").read_text().split("| section | requirement | shown by |")[1]
    shown = (line.rsplit("|", 2)[1] for line in table.splitlines() if line.startswith("|"))
    return {name for cell in shown for name in re.findall(r"`([^`]+)`", cell)}


def written() -> set[str]:
    rust = ROOT.glob("crates/headrace-core/src/edge/*.rs")
    tests = [path.read_text() for path in (*rust, *ROOT.glob("tests/core/test_edge_*.py"))]
    return {case.name for case in CASES} | {name for text in tests for name in re.findall(r"(?:fn|def) (\w+)", text)}


def test_each_requirement_is_shown_by_tests_that_exist():
    assert len(named()) > 60
    assert named() <= written()
