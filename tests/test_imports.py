"""The import rules: `cli` may import features; a feature imports only leaf files, `sinks`, the core and itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import headrace

ROOT = Path(headrace.__file__).parent
LEAVES = {"errors", "settings", "state", "clock"}
SHARED = {"sinks", "service", "_core"}
COMPOSERS = ("cli/", "scale/", "demo/")
FILES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """What of headrace a file imports, as the first name below the package."""
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "headrace" else [module]
        yield from (name.split(".")[1] for name in names if name.startswith("headrace."))


def part(path: Path) -> str:
    """The folder or leaf file that a file belongs to."""
    return path.parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=str)
def test_each_file_imports_only_what_it_may(path):
    here = part(path)
    if path.as_posix().startswith(COMPOSERS) or here in ("__main__", "__init__"):
        return
    allowed = {here} | LEAVES | (SHARED if here not in LEAVES else set())
    assert set(imported(path)) <= allowed


def test_only_the_command_line_imports_the_command_line():
    users = {part(path) for path in FILES if "cli" in set(imported(path))}
    assert users <= {"cli", "__main__"}


def test_there_is_no_room_for_odds_and_ends():
    assert not [path for path in FILES if path.stem in ("utils", "helpers", "common", "manager", "misc")]


def test_no_file_has_outgrown_its_noun():
    assert not [path for path in FILES if len((ROOT / path).read_text("utf-8").splitlines()) > 400]
