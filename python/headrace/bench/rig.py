"""What a run stands on: two cores, a folder, a certificate, and one backend behind every peer."""

import contextlib
import os
import resource
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.bench.certificate import make_certificate
from headrace.bench.load import Generator
from headrace.bench.page import page
from headrace.bench.peer import CONFIGURATIONS, HEADRACE, Peer, Setting, Template
from headrace.bench.process import running
from headrace.bench.tools import NGINX, SETPRIV, TASKSET
from headrace.bench.wait import free_port, until_answered

MEGABYTE = 1 << 20
FILES = {"megabyte": MEGABYTE, "1024": 1024, "102400": 102_400}  # of the backend, in bytes
PAGE_SIZE = 102_400
OBJECTS_LOG = "objects.log"  # a line for each request for an object that caches may store
ADDRESSES = 1000


@dataclass(frozen=True)
class Effort:
    """How much is measured: seconds of load for each figure, rounds over all peers, idle connections."""

    seconds: int = 4
    rounds: int = 2
    idle_connections: int = 5000


QUICK = Effort(seconds=1, rounds=1, idle_connections=1000)


@dataclass(frozen=True)
class Target:
    """A running proxy: its processes and where it answers."""

    pid: int
    url: str


# Compared by identity, so that what was found out about a rig can be remembered.
@dataclass(frozen=True, eq=False)
class Rig:
    """Everything a measurement needs; `attached` are running servers that stand in for headrace, one of a scheme."""

    setting: Setting
    generator: Generator
    backend: int
    effort: Effort
    attached: tuple[Target, ...] = ()

    def servers(self, count: int = 1) -> list[str]:
        """The backend under `count` addresses, at most `ADDRESSES`."""
        return _addresses(self.backend)[:count]

    @contextlib.contextmanager
    def proxy(self, peer: Peer, *, tls: bool, servers: Sequence[str] = ()) -> Iterator[Target]:
        """The peer, alone on its core, in front of `servers`, which are the backend unless others are given."""
        scheme = "https://" if tls else "http://"
        attached = [target for target in self.attached if target.url.startswith(scheme)]
        if peer is HEADRACE and attached and not servers:
            yield attached[0]
            return
        with peer.started(self.setting, servers or self.servers(), tls=tls) as (process, url):
            yield Target(process.pid, url)


@contextlib.contextmanager
def rig(effort: Effort, *, backend: int = 0, attached: Sequence[Target] = ()) -> Iterator[Rig]:
    """Sets it up and takes it down; `backend` is the port of the server behind, 0 for a free one.

    Raises `OperationError` when nginx, which is that server, or a program that pins to a core is missing.
    """
    for tool in (TASKSET, SETPRIV):
        tool.require()
    _allow_open_files()
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # servers that give up root must still find their files
        setting = Setting(cores[0], folder, make_certificate(folder))
        generator = Generator(cores[-1], folder)
        with _backend(folder, cores[-1], backend or free_port()) as port:
            yield Rig(setting, generator, port, effort, tuple(attached))


def _allow_open_files() -> None:
    """Everything that is started inherits the most that this process may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _addresses(port: int) -> list[str]:
    """Where the backend listens: all of 127.0.0.0/8 is this machine, so that it can be a thousand servers."""
    return [f"127.0.{number // 250}.{number % 250 + 1}:{port}" for number in range(ADDRESSES)]


@contextlib.contextmanager
def _backend(folder: Path, core: int, port: int) -> Iterator[int]:
    for name, size in FILES.items():
        (folder / name).write_bytes(b"x" * size)
    (folder / "page.html").write_bytes(page(PAGE_SIZE))
    path = folder / "backend.conf"
    template = Template((CONFIGURATIONS / path.name).read_text())
    listen = "\n".join(f"listen {address} backlog=1024;" for address in _addresses(port))
    path.write_text(template.substitute(folder=folder, listen=listen, log=OBJECTS_LOG))
    with running("backend", [NGINX.require(), "-e", "stderr", "-c", str(path)], folder, core) as process:
        until_answered(f"http://127.0.0.1:{port}/", process)
        yield port
