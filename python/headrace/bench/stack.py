"""The whole stack: processor time of everything between the browser and a trivial ASGI app, by requests.

TLS in front and two app server processes behind, in each of the usual ways: headrace (TLS in between, its default;
plain, as the peers are; and over Unix sockets), nginx before uvicorn and before Granian, and uvicorn alone with its own
TLS.
"""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from headrace.bench.peer import HEADRACE, NGINX_PEER
from headrace.bench.process import running
from headrace.bench.proxied import MICROSECONDS, spent
from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Sample, Scenario
from headrace.bench.tools import GRANIAN, NGINX, UVICORN
from headrace.bench.wait import free_port, until_answered

APP = "headrace.bench.app:app"
WORKERS = 2
UVICORN_COMMAND = (
    *(sys.executable, "-m", "uvicorn", APP, "--loop", "uvloop", "--http", "httptools"),
    *("--no-access-log", "--log-level", "warning", "--lifespan", "off", "--timeout-keep-alive", "75"),
)
GRANIAN_COMMAND = (
    *(sys.executable, "-m", "granian", APP, "--interface", "asginl", "--loop", "uvloop"),
    *("--http", "1", "--no-ws", "--log-level", "warning"),
)


@dataclass(frozen=True)
class Stack:
    """All the processes that together answer at `url`."""

    pids: tuple[int, ...]
    url: str


@contextlib.contextmanager
def headrace(rig: Rig, *, link: Literal["tls", "plain", "unix"]) -> Iterator[Stack]:
    """Starts `headrace balance` and `headrace serve`, which registers its workers by itself; `link` is in between."""
    setting = rig.setting
    state = ("--state", str(setting.folder / "state"))
    with HEADRACE.started(setting, (), tls=True, admin=(admin := free_port())) as (balancer, url):
        where = {
            "tls": ("--port", "0"),
            "plain": ("--port", "0", "--plain"),
            "unix": ("--uds", str(setting.folder / "sockets")),
        }[link]
        join = ("--workers", str(WORKERS), *where, *state, "--balancer", f"https://127.0.0.1:{admin}")
        command = (sys.executable, "-m", "headrace", "serve", APP, *join)
        with running("serve", command, setting.folder, setting.core) as serve:
            until_answered(url, serve, bodies=WORKERS)
            yield Stack((balancer.pid, serve.pid), url)


@contextlib.contextmanager
def behind_nginx(command: Sequence[str], rig: Rig) -> Iterator[Stack]:
    """Starts nginx before two app servers with a port each."""
    setting = rig.setting
    with contextlib.ExitStack() as started:
        ports = [free_port() for _ in range(WORKERS)]
        pids = []
        for port in ports:
            arguments = [*command, "--port", str(port)]
            worker = started.enter_context(running(f"app-{port}", arguments, setting.folder, setting.core))
            until_answered(f"http://127.0.0.1:{port}/", worker)
            pids.append(worker.pid)
        servers = [f"127.0.0.1:{port}" for port in ports]
        proxy = started.enter_context(rig.proxy(NGINX_PEER, tls=True, servers=servers))
        yield Stack((proxy.pid, *pids), proxy.url)


@contextlib.contextmanager
def uvicorn_alone(rig: Rig) -> Iterator[Stack]:
    """Starts two workers of uvicorn with its own TLS."""
    setting, port = rig.setting, free_port()
    files = ("--ssl-certfile", str(setting.certificate.certificate), "--ssl-keyfile", str(setting.certificate.key))
    command = (*UVICORN_COMMAND, "--port", str(port), "--workers", str(WORKERS), *files)
    with running("uvicorn", command, setting.folder, setting.core) as process:
        url = f"https://127.0.0.1:{port}/"
        until_answered(url, process)
        yield Stack((process.pid,), url)


def cost(start: Callable[[Rig], contextlib.AbstractContextManager[Stack]], rig: Rig) -> Sample:
    """Loads the stack by HTTP/1.1 over TLS and divides what all its processes used."""
    with start(rig) as stack:
        note = rig.generator.negotiated(stack.url)
        return spent(stack.pids, lambda: rig.generator.http1(stack.url, rig.effort.seconds), note)


def _measure(start: Callable[[Rig], contextlib.AbstractContextManager[Stack]]) -> Callable[[Rig], Sample]:
    return functools.partial(cost, start)


STACK = Scenario(
    "stack",
    "TLS, 2 workers, trivial ASGI app: all processes",
    MICROSECONDS,
    (
        Contestant("headrace", (HEADRACE.tool,), _measure(functools.partial(headrace, link="tls")), ours=True),
        Contestant("headrace-plain", (HEADRACE.tool,), _measure(functools.partial(headrace, link="plain")), ours=True),
        Contestant("headrace-unix", (HEADRACE.tool,), _measure(functools.partial(headrace, link="unix")), ours=True),
        Contestant("nginx+uvicorn", (NGINX, UVICORN), _measure(functools.partial(behind_nginx, UVICORN_COMMAND))),
        Contestant("nginx+granian", (NGINX, GRANIAN), _measure(functools.partial(behind_nginx, GRANIAN_COMMAND))),
        Contestant("uvicorn", (UVICORN,), _measure(uvicorn_alone)),
    ),
    target=0.80,
    against=("nginx+uvicorn",),
)
