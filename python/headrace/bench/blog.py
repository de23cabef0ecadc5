"""The demo's blog with what stands before and beside it, each process alone, for a row that visits it."""

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from headrace.bench.process import Running, running
from headrace.bench.rig import Rig
from headrace.bench.wait import ask, free_port, until_answered, until_open
from headrace.errors import OperationError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Blog:
    """Where visitors come in, and the paths of the posts that the list shows first."""

    url: str
    posts: tuple[str, ...]


@dataclass(frozen=True)
class Way:
    """What is between a visitor and the data service: nothing but the blog, or more."""

    balancer: bool = False
    cache: bool = False
    edge: bool = False


@contextlib.contextmanager
def blog(rig: Rig, way: Way, delay: float) -> Iterator[Blog]:
    """Starts it all on the core of the rig; the data service takes `delay` seconds longer for each answer."""
    with contextlib.ExitStack() as started, tempfile.TemporaryDirectory(dir=rig.setting.folder) as state:
        scene = _Scene(rig, Path(state), started)
        data = scene.data(delay)
        told = {} if not way.cache else {"HEADRACE_CACHE_URL": scene.cache()}
        public, admin = scene.balancer(edge=way.edge) if way.balancer else ("", "")
        if way.edge:
            told["HEADRACE_DEMO_EDGE"] = admin
        yield Blog(scene.blog(data, public, admin, told), _posts(data))


def _posts(data: str) -> tuple[str, ...]:
    status, body = ask(f"{data}posts")
    if status != 200:
        raise OperationError(f"the data service has no list: {status}")
    return tuple(f"posts/{post['slug']}" for post in json.loads(body)["posts"])


@dataclass(frozen=True)
class _Scene:
    """One method for each process; they share a state folder and give the URL that the next one needs."""

    rig: Rig
    state: Path
    started: contextlib.ExitStack = field(repr=False)

    def data(self, delay: float) -> str:
        environ = {"HEADRACE_DEMO_DATABASE": str(self.state / "blog.db"), "HEADRACE_DEMO_DELAY": str(delay)}
        port = free_port()
        process = self._run("data", ("serve", "headrace.demo.data:app", "--factory", "--port", str(port)), environ)
        until_answered(f"https://{LOOPBACK}:{port}/posts", process)
        return f"https://localhost:{port}/"

    def cache(self) -> str:
        port, admin = free_port(), free_port()
        where = ("--address", f"{LOOPBACK}:{port}", "--admin", f"{LOOPBACK}:{admin}", "--threads", "1")
        process = self._run("cache", ("cache", *where))
        until_answered(f"https://{LOOPBACK}:{admin}/readyz", process)
        return f"https://{LOOPBACK}:{port}"

    def balancer(self, *, edge: bool) -> tuple[str, str]:
        """Its public URL and that of its admin port."""
        port, admin = free_port(), free_port()
        where = ("--address", f"{LOOPBACK}:{port}", "--admin", f"{LOOPBACK}:{admin}", "--threads", "1")
        process = self._run("balancer", ("balance", *where, *(("--cache",) if edge else ())))
        until_open(port, process)
        return f"https://{LOOPBACK}:{port}/", f"https://{LOOPBACK}:{admin}"

    def blog(self, data: str, public: str, admin: str, told: Mapping[str, str]) -> str:
        """Where it is visited: `public`, or at its own port."""
        port = free_port()
        join = ("--balancer", admin) if admin else ()
        process = self._run(
            "blog",
            ("serve", "headrace.demo.blog:app", "--factory", "--port", str(port), *join),
            {"HEADRACE_DEMO_DATA": data, "HEADRACE_DEMO_CA": str(self.state / "certs" / "ca.pem"), **told},
        )
        url = public or f"https://{LOOPBACK}:{port}/"
        until_answered(f"{url}new", process)  # a page that is made of nothing and kept nowhere
        return url

    def _run(self, name: str, arguments: tuple[str, ...], environ: Mapping[str, str] | None = None) -> Running:
        command = (sys.executable, "-m", "headrace", *arguments, "--state", str(self.state))
        setting = self.rig.setting
        environ = {"HEADRACE_HOME": str(self.state), **(environ or {})}
        return self.started.enter_context(running(name, command, setting.folder, setting.core, environ))
