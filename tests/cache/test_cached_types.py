"""What a type checker sees of decorated functions: the same arguments, the same result."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
from headrace import cached

@cached(ttl=60)
def show(post_id: int, *, lang: str = "en") -> list[str]:
    return [lang]

@cached(ttl="1m", save="later")
async def later(post_id: int) -> bytes:
    return b""

class Blog:
    @cached(ttl=60, key="{self}")
    def show(self, post_id: int) -> str:
        return ""

    @cached(ttl=60, key="{self}")
    async def later(self, post_id: int) -> str:
        return ""

    @cached(ttl=60)
    @staticmethod
    def static(number: int) -> int:
        return number

async def main(blog: Blog) -> None:
    reveal_type(show(3, lang="de"))
    reveal_type(show.hit(3))
    reveal_type(show.invalidate(3))
    reveal_type(await later(3))
    reveal_type(await later.hit(post_id=3))
    reveal_type(blog.show(3))
    reveal_type(await blog.later.refresh(3))
    reveal_type(Blog.static(3))
    reveal_type(show.key(3))
    show("3")
    show.invalidate(3, page=1)
    later(3, 4)
    blog.show("3")
"""

REVEALED = [
    "list[str]", "Hit[list[str]]", "bool", "bytes", "Hit[bytes]", "str", "str", "int", "str"
]  # fmt: skip


def test_signatures_and_results_are_kept(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", f"--cache-dir={tmp_path}", str(program)]
    source = str(Path(__file__).parents[2] / "python")
    found = subprocess.run(
        command, check=False, capture_output=True, text=True, env={"MYPYPATH": source, "PATH": ""}, cwd=tmp_path
    )
    lines = [line.partition("program.py:")[2] for line in found.stdout.splitlines() if "program.py:" in line]
    types = [line.split('"')[1] for line in lines if "Revealed" in line]
    assert [kind.replace("builtins.", "").replace("headrace.cache.hit.", "") for kind in types] == REVEALED, (
        found.stdout
    )
    errors = [line.split("[")[-1].rstrip("]") for line in lines if "error" in line]
    assert errors == ["arg-type", "call-arg", "call-arg", "unused-coroutine", "arg-type"], found.stdout
