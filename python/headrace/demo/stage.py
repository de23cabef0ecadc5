"""The demo's processes, started as in production, watched, and ended together: the services and the blog."""

import asyncio
import contextlib
import os
import signal
import ssl
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, final

import httpx

from headrace.demo.data import OWN_POSTS
from headrace.demo.guard import Guard
from headrace.demo.ports import Ports
from headrace.errors import OperationError

READY_WITHIN: Final = 60.0  # seconds; a loaded machine takes a while to import
STOPPED_WITHIN: Final = 45.0  # the parts' own drain takes 30 at most
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LONGEST_LINE: Final = 1 << 20


@dataclass(frozen=True)
class Scene:
    """What is to be played: in which state folder, on which ports, with which posts."""

    state: Path
    ports: Ports
    host: str = "127.0.0.1"
    workers: int = 2
    posts: Path = OWN_POSTS
    log_level: str = "info"

    @property
    def url(self) -> str:
        """The blog as a browser on this machine reaches it."""
        return f"https://localhost:{self.ports.public}"

    @property
    def log(self) -> Path:
        """What all parts log, in the order of time."""
        return self.logs / "log.txt"

    @property
    def logs(self) -> Path:
        """The collector's folder; demos beside each other have one each."""
        return self.state / "demo" / f"log-{self.ports.logs}"

    @property
    def database(self) -> Path:
        """The posts. A folder of the user's own has a database of its own, and the demo's posts stay what they were."""
        own = self.posts == OWN_POSTS
        name = "blog" if own else str(self.posts).strip("/").replace("/", "-")[-200:]
        return self.state / "demo" / f"{name}.db"

    @property
    def ca(self) -> Path:
        """What vouches for all of it."""
        return self.state / "certs" / "ca.pem"


@dataclass(frozen=True)
class Part:
    """A process: the verb and its arguments, the URLs it serves by what they are, what its environment adds."""

    name: str
    arguments: tuple[str, ...]
    urls: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)


def parts(scene: Scene) -> list[Part]:
    """The processes of `scene`, in the order in which a request meets the last first."""
    return [_data(scene), _balancer(scene), _blog(scene), _cache(scene), _logs(scene)]


def _data(scene: Scene) -> Part:
    return Part(
        "data",
        ("serve", "headrace.demo.data:app", "--factory", "--port", str(scene.ports.data), *_logged(scene)),
        {"data service": _local(scene.ports.data, "localhost")},
        {"HEADRACE_DEMO_DATABASE": str(scene.database), "HEADRACE_DEMO_POSTS": str(scene.posts)},
    )


def _balancer(scene: Scene) -> Part:
    address, admin = _address(scene.host, scene.ports.public), f"127.0.0.1:{scene.ports.admin}"
    return Part(
        "balancer",
        ("balance", "--address", address, "--admin", admin, "--cache", "--access-log", *_logged(scene)),
        {"balancer": scene.url, "its admin port": _local(scene.ports.admin)},
        {"HEADRACE_BALANCER_VIA": "headrace"},  # tells the blog which protocol the browser spoke
    )


def _blog(scene: Scene) -> Part:
    ports, workers = scene.ports, ("--workers", str(scene.workers), "--balancer", _local(scene.ports.admin))
    return Part(
        "blog",
        ("serve", "headrace.demo.blog:app", "--factory", "--port", str(ports.blog), *workers, *_logged(scene)),
        {f"app server {worker}": _local(ports.blog + worker) for worker in range(scene.workers)},
        {
            "HEADRACE_DEMO_DATA": _local(ports.data, "localhost"),
            "HEADRACE_DEMO_CA": str(scene.ca),
            "HEADRACE_CACHE_URL": _local(ports.cache),
            "HEADRACE_DEMO_EDGE": _local(ports.admin),
            "HEADRACE_HOME": str(scene.state),  # where the cache's token and authority are found
        },
    )


def _cache(scene: Scene) -> Part:
    where = ("--address", f"127.0.0.1:{scene.ports.cache}", "--admin", "127.0.0.1:0")
    return Part("cache", ("cache", *where, "--max-bytes", "64m", *_logged(scene)), {"cache": _local(scene.ports.cache)})


def _logs(scene: Scene) -> Part:
    where = ("--address", f"127.0.0.1:{scene.ports.logs}", "--admin", "127.0.0.1:0")
    return Part(
        "logs",
        ("logs", "collect", *where, "--file", str(scene.log)),
        {"central log": _local(scene.ports.logs)},
        {"HEADRACE_LOGS_FOLDER": str(scene.logs / "waiting")},
    )


def _local(port: int, host: str = "127.0.0.1") -> str:
    return f"https://{host}:{port}"


def _logged(scene: Scene) -> tuple[str, str]:
    return "--logs", _local(scene.ports.logs)


@final
class Stage:
    """Runs the parts of a scene while its `async with` block runs; `say` gets their lines and news, one at a time.

    Raises `OperationError` when a part can't start. The first SIGINT, SIGTERM or SIGHUP ends the wait of
    `until_stopped`, a second one cuts the graceful stop short.
    """

    def __init__(self, scene: Scene, say: Callable[[str], None]) -> None:
        self._scene = scene
        self._say = say
        self._guard = Guard()
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._ready: dict[str, asyncio.Event] = {}
        self._stop = asyncio.Event()

    async def __aenter__(self) -> "Stage":
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._signalled)
        try:
            self._say("starting a data service, a balancer, a blog, a cache and a central log")
            for part in parts(self._scene):
                await self._start(part)
            await self._watched(self._all_ready(), READY_WITHIN)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._end()

    @property
    def stopped(self) -> bool:
        """Whether a signal has asked for the end."""
        return self._stop.is_set()

    async def until_stopped(self) -> None:
        """Waits for a signal; raises `OperationError` when a part ends before."""
        await self._watched(self._stop.wait(), None)

    async def perform(self, act: Callable[[], bool]) -> bool:
        """Runs `act` in a thread while the parts are watched; its answer, False when a signal came first."""
        done = asyncio.get_running_loop().run_in_executor(None, act)
        await self._watched(asyncio.wait([done]), None)
        return done.done() and done.result()

    async def _start(self, part: Part) -> None:
        (self._scene.state / "demo").mkdir(parents=True, exist_ok=True)
        common = ("--state", str(self._scene.state), "--log-level", self._scene.log_level)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "headrace", *part.arguments, *common),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
            env={**os.environ, **part.environment},
            cwd=self._scene.state / "demo",  # where no headrace.toml of the user's own speaks to it
            start_new_session=True,  # Ctrl-C at the terminal reaches us alone, so that we end them in order
        )
        self._guard.watch(process.pid)
        self._processes[part.name] = process
        self._ready[part.name] = asyncio.Event()
        assert process.stdout is not None
        assert process.stderr is not None
        self._tasks.append(asyncio.create_task(self._read(process.stdout, self._ready[part.name])))
        self._tasks.append(asyncio.create_task(self._echo(part.name, process.stderr)))

    async def _read(self, stream: asyncio.StreamReader, ready: asyncio.Event) -> None:
        """A verb prints one line when it is ready."""
        while await stream.readline():
            ready.set()

    async def _echo(self, name: str, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            self._say(f"{name:8} | {line.decode(errors='replace').rstrip()}")

    async def _all_ready(self) -> None:
        """Each says it listens, and a page comes through all of them."""
        for ready in self._ready.values():
            await ready.wait()
        trust = ssl.create_default_context(cafile=str(self._scene.ca))
        async with httpx.AsyncClient(verify=trust, trust_env=False, timeout=5) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    # No visitor shall be shown the page that was made for this.
                    if (await client.get(self._scene.url, headers={"Cache-Control": "no-store"})).is_success:
                        return
                await asyncio.sleep(0.05)

    async def _watched(self, waiting: Coroutine[Any, Any, object], seconds: float | None) -> None:
        """Waits for `waiting` as long as all parts run and nobody asks for the end.

        Raises `OperationError` when a part ends or `seconds` pass.
        """
        ends: dict[asyncio.Task[Any], str] = {
            asyncio.create_task(process.wait()): name for name, process in self._processes.items()
        }
        main, stop = asyncio.create_task(waiting), asyncio.create_task(self._stop.wait())
        try:
            done, _ = await asyncio.wait({main, stop, *ends}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for ended in done & ends.keys():
                raise OperationError(
                    f"the demo's {ends[ended]} ended with {ended.result()}", hint="see its lines above"
                )
            if not done:
                raise OperationError(f"the demo was not ready after {seconds:g} seconds", hint="see the lines above")
            if main in done:
                main.result()
        finally:
            for task in (main, stop, *ends):
                task.cancel()
            await asyncio.wait({main, stop, *ends})

    def _signalled(self) -> None:
        if self._stop.is_set():
            self._signal_all(signal.SIGKILL)
        self._stop.set()

    async def _end(self) -> None:
        """The blog first, so that it leaves a balancer that is still there; the log last, which all others tell so."""
        self._stop.set()
        for names in (("blog",), ("balancer", "data", "cache"), ("logs",)):
            await self._end_some([self._processes[name] for name in names if name in self._processes])
        await asyncio.gather(*self._tasks)
        self._guard.dismiss()

    async def _end_some(self, processes: list[asyncio.subprocess.Process]) -> None:
        for process in processes:
            if process.returncode is None:
                process.terminate()
        waits = [asyncio.create_task(process.wait()) for process in processes]
        if waits and (await asyncio.wait(waits, timeout=STOPPED_WITHIN))[1]:
            self._signal_all(signal.SIGKILL)
            await asyncio.wait(waits)

    def _signal_all(self, number: signal.Signals) -> None:
        """To each part with all that it started: each leads a process group of its own."""
        for process in self._processes.values():
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
