"""The Go programs of `peers/go`: compiled with nothing but Go's standard library, once for each change of theirs."""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from headrace.bench.peer import CONFIGURATIONS
from headrace.bench.tools import GO
from headrace.errors import OperationError

SOURCES = CONFIGURATIONS / "go"
PATIENCE = 900  # seconds; the first time Go compiles its own library, too
OFFLINE = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}


def compiled(program: str) -> str:
    """The path of a program. Raises `OperationError` when Go is missing or can't compile it.

    Example: `compiled("collector")`.
    """
    cache = _cache()
    folder = cache / _fingerprint()
    if not (folder / program).exists():
        _compile(folder, cache / "go-build")
    return str(folder / program)


def _cache() -> Path:
    """Where programs and Go's own cache are kept (source: XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headrace" / "bench"


def _fingerprint() -> str:
    """Names the sources and the compiler."""
    files = sorted(path for path in SOURCES.rglob("*") if path.suffix in (".go", ".mod"))
    content = b"".join(path.read_bytes() for path in files)
    return hashlib.sha256(content + GO.version().encode()).hexdigest()[:16]


def _compile(folder: Path, go_cache: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        output = Path(name) / "programs"
        output.mkdir()
        command = [GO.require(), "build", "-o", f"{output}/", "./..."]
        environ = {**os.environ, **OFFLINE, "GOCACHE": str(go_cache)}
        done = subprocess.run(
            command, cwd=SOURCES, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        if done.returncode:
            raise OperationError(f"go cannot compile {SOURCES}: {done.stderr.strip()[-300:]}")
        if not folder.exists():
            output.rename(folder)
