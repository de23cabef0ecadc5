"""The core's rooms, folders of `crates/headrace-core/src` and files beside them, form no circle."""

import re
from graphlib import TopologicalSorter
from pathlib import Path

CORE = Path(__file__).parents[1] / "crates" / "headrace-core" / "src"
USE = re.compile(r"\buse crate::(\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}|\w+)|(?<!use )\bcrate::(\w+)::")
INNER = re.compile(r"\{[^{}]*\}")


def room(path: Path) -> str:
    return path.relative_to(CORE).parts[0].removesuffix(".rs")


def named(use: str) -> set[str]:
    """The rooms of `a`, or of `{a::b, c::{d, e}}`."""
    flat = use.removeprefix("{").removesuffix("}")
    while INNER.search(flat):
        flat = INNER.sub("", flat)
    return {name for entry in flat.split(",") if (name := entry.strip().split("::")[0].split(" ")[0])}


def used(path: Path) -> set[str]:
    """The rooms that a file takes something from; what only its tests take doesn't count."""
    text = path.read_text("utf-8").split("#[cfg(test)]\nmod tests {")[0]
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("//"))
    return {name for use in USE.finditer(code) for name in named(use[1] or use[2])} - {room(path)}


def rooms() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for path in CORE.rglob("*.rs"):
        if path.name != "lib.rs" and "tests" not in path.relative_to(CORE).with_suffix("").parts:
            graph.setdefault(room(path), set()).update(used(path))
    return graph


def test_names_are_found_in_all_forms_of_use():
    assert named("{http::{head::{A, B}, reply}, net::clock, Error as Failure}") == {"http", "net", "Error"}
    assert named("engine") == {"engine"}


def test_no_room_stands_on_itself():
    graph = rooms()
    assert len(graph) > 15
    assert graph["listener"] >= {"engine", "http", "net"}
    TopologicalSorter(graph).prepare()  # raises CycleError, which tells the circle
