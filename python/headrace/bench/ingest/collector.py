"""Who takes collections: headrace, the usual shapes in Go and one that only answers, each alone on its core."""

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headrace.bench.ingest.bodies import EMPTY
from headrace.bench.ingest.golang import compiled
from headrace.bench.peer import CONFIGURATIONS, Template
from headrace.bench.process import Running, running
from headrace.bench.rig import Rig
from headrace.bench.wait import free_port, until_answered

ONE_CORE = {"GOMAXPROCS": "1"}


@dataclass(frozen=True)
class Collector:
    """A running process that takes collections at `url`; `admin` is where ours tells how it does."""

    process: Running
    url: str
    admin: str = ""


@dataclass(frozen=True)
class Landing:
    """Where and how payloads land; `environ` has what the store asks for."""

    to: str
    format: str = "ndjson.gz"
    objects: str = "batch"
    workers: int = 4
    age: str = "30s"
    environ: Mapping[str, str] | None = None


@contextlib.contextmanager
def acceptor(rig: Rig) -> Iterator[Collector]:
    """The accepting half of `headrace ingest`: nothing lands."""
    address = f"127.0.0.1:{free_port()}"
    with folder(rig) as journal:
        command = (sys.executable, "-m", "headrace.bench.ingest.acceptor", address, str(journal))
        with _started("acceptor", command, rig, f"http://{address}/") as collector:
            yield collector


@contextlib.contextmanager
def service(rig: Rig, landing: Landing) -> Iterator[Collector]:
    """`headrace ingest`, with its default settings but for what is said of the landing."""
    port, admin = free_port(), free_port()
    with folder(rig) as state:
        settings = state / "ingest.toml"
        names = {**vars(landing), "port": port, "admin": admin}
        settings.write_text(Template((CONFIGURATIONS / settings.name).read_text()).substitute(names))
        files = ("--settings", str(settings), "--state", str(state))
        command = (sys.executable, "-m", "headrace", "ingest", *files)
        with _started("ingest", command, rig, f"http://127.0.0.1:{port}/", landing.environ) as collector:
            # It takes collections a while before all of it has started.
            until_answered(f"https://127.0.0.1:{admin}/readyz", collector.process)
            yield Collector(collector.process, collector.url, f"https://127.0.0.1:{admin}")


Shape = Literal["pool", "lean", "goroutines", "one"]


@contextlib.contextmanager
def go(
    rig: Rig,
    shape: Shape = "pool",
    *,
    workers: int = 100,
    queue: int = 10_000,
    to: str = "",
    environ: Mapping[str, str] | None = None,
) -> Iterator[Collector]:
    """The usual service in Go (`peers/go/collector`), in one of its shapes; it uploads to a bucket's URL or nowhere.

    All decode payloads and encode them anew to upload them but `lean`, which leaves them the bytes they came as.
    """
    address = f"127.0.0.1:{free_port()}"
    counts = ("-workers", str(workers), "-queue", str(queue))
    command = (compiled("collector"), "-listen", address, "-shape", shape, *counts, "-to", to)
    with _started(f"go-{shape}", command, rig, f"http://{address}/", environ) as collector:
        yield collector


@contextlib.contextmanager
def floor(rig: Rig) -> Iterator[Collector]:
    """The least that a server can do (`peers/go/floor`): a read and a write for each POST, and the same answer."""
    address = f"127.0.0.1:{free_port()}"
    with _started("floor", (compiled("floor"), "-listen", address), rig, f"http://{address}/") as collector:
        yield collector


@contextlib.contextmanager
def folder(rig: Rig) -> Iterator[Path]:
    """A new folder on the disk of the run, removed in the end: gigabytes may be in it."""
    with tempfile.TemporaryDirectory(dir=rig.setting.folder) as name:
        yield Path(name)


@contextlib.contextmanager
def _started(
    name: str, command: tuple[str, ...], rig: Rig, url: str, environ: Mapping[str, str] | None = None
) -> Iterator[Collector]:
    """The running process once it has taken a collection without payloads."""
    with running(name, command, rig.setting.folder, rig.setting.core, {**ONE_CORE, **(environ or {})}) as process:
        until_answered(url, process, post=EMPTY)
        yield Collector(process, url)
