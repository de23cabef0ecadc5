"""A worker process: one app server, its agent, and how they end. `process.py` runs it, as `-m headrace.app.worker`.

Its life, in order: read the orders, import the app, listen, run the app's startup, register, serve; then, asked to
stop, unregister and wait until the balancer has let go (serving all the while), finish what is in flight, run the app's
shutdown. Seen from outside, `/ping` turns from 503 to 200 and back.
"""

import asyncio
import gc
import logging
import logging.config
import os
import pkgutil
import signal
import socket
import sys
from dataclasses import asdict, dataclass, field
from typing import Final
from urllib.parse import urlsplit

import uvloop

from headrace.app.agent import Agent
from headrace.app.asgi import Application
from headrace.app.channel import News, NewsKind, Orders, WorkerEnd
from headrace.app.forwarded import LOOPBACK, Forwarded
from headrace.app.interface import as_asgi
from headrace.app.lifespan import Lifespan, LifespanError
from headrace.app.loading import AppName, load
from headrace.app.ping import Front
from headrace.app.plan import Plan
from headrace.app.readiness import Readiness, Stage
from headrace.app.server import Server
from headrace.app.wsgi import Bridge
from headrace.errors import HeadraceError

CUT: Final = 1  # exit code when something had to be cut off
BROKEN: Final = 3  # exit code when there is no app
BACKLOG: Final = 2048
BALANCERS_SHARE: Final = 0.8  # of the time to stop; the rest is for what the balancer doesn't know of
SHUTDOWN: Final = 1.0  # seconds that the app's own shutdown has at least

logger = logging.getLogger(__name__)


def main(channel: int) -> int:
    """Serves until the parent asks to stop, or is gone; the exit code."""
    # Ctrl-C reaches everyone in the terminal's group; what it means is the parent's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=channel) as connection:
        parent = WorkerEnd(connection)
        orders = parent.orders()
        _configure_logging(orders)
        with socket.socket(fileno=orders.listener) as listener:
            try:
                worker = Worker(orders, _app(orders.plan), parent)
                _enable_own_loggers()
                listener.listen(BACKLOG)
            except (HeadraceError, OSError) as error:
                parent.tell(News(NewsKind.BROKEN, str(error)))
                return BROKEN
            return uvloop.run(worker.run(listener))


def _app(plan: Plan) -> Application:
    return as_asgi(load(AppName.parse(plan.app), factory=plan.factory), plan.interface, plan.app)


def _configure_logging(orders: Orders) -> None:
    """To standard error, and to the central log where there is one."""
    layout = f"%(asctime)s %(levelname)s worker {orders.index} %(name)s: %(message)s"
    handlers: dict[str, dict[str, object]] = {"stderr": {"class": "logging.StreamHandler", "formatter": "worker"}}
    if (log := orders.plan.logs) is not None:
        source = f"app server {orders.place.address}"
        # By its name, as an app would: the runtime knows nothing of the logs.
        handlers["central"] = {"class": "headrace.logs.Handler", "source": source, **asdict(log)}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"worker": {"format": layout}},
            "handlers": handlers,
            "root": {"level": orders.plan.log_level.upper(), "handlers": list(handlers)},
        }
    )


def _enable_own_loggers() -> None:
    """Undo what an app does to all loggers that it finds when it configures logging the usual way."""
    for name, existing in logging.root.manager.loggerDict.items():
        if name.startswith("headrace.") and isinstance(existing, logging.Logger):
            existing.disabled = False


@dataclass
class Worker:
    """What a worker consists of; `run` puts it together and takes it apart."""

    orders: Orders
    app: Application
    parent: WorkerEnd
    readiness: Readiness = field(default_factory=Readiness)

    async def run(self, listener: socket.socket) -> int:
        """Serves on `listener`; the exit code."""
        lifespan, agent, stop = Lifespan(self.app), self._agent(), self._stop_event()
        server = self._server(lifespan)
        serving = asyncio.create_task(server.serve([listener]))
        serving.add_done_callback(lambda _: stop.set())
        starting = asyncio.create_task(self._start(lifespan, agent))
        await stop.wait()
        starting.cancel()
        return await self._end(server, serving, lifespan, agent)

    async def _start(self, lifespan: Lifespan, agent: Agent | None) -> None:
        try:
            await lifespan.startup()
        except LifespanError as error:
            self.readiness.become(Stage.FAILED, str(error))
            self.parent.tell(News(NewsKind.FAILED, str(error)))
            return
        # What the app has made by now lives as long as it does: the garbage collector needn't look at it ever again.
        gc.collect()
        gc.freeze()
        self.readiness.become(Stage.READY)
        if agent is None:
            self._tell_ready()
        else:
            agent.start()

    def _tell_ready(self) -> None:
        self.parent.tell(News(NewsKind.READY))

    async def _end(self, server: Server, serving: "asyncio.Task[None]", lifespan: Lifespan, agent: Agent | None) -> int:
        clock = asyncio.get_running_loop().time
        patience = self.orders.plan.drain
        deadline = clock() + patience
        started = self.readiness.ready
        if started:
            self.readiness.become(Stage.DRAINING)
        else:
            self.readiness.become(Stage.FAILED, "it was stopped before it was ready")
        if agent is not None:
            await asyncio.to_thread(agent.leave, patience * BALANCERS_SHARE)
        server.stop(max(deadline - clock(), 0.0))
        await serving
        cut = clock() >= deadline
        if started:
            await self._shut_down(lifespan, max(deadline - clock(), SHUTDOWN))
        return CUT if cut else 0

    async def _shut_down(self, lifespan: Lifespan, patience: float) -> None:
        try:
            await asyncio.wait_for(lifespan.shutdown(), patience)
        except LifespanError as error:
            logger.error("the app's shutdown failed: %s", error)  # noqa: TRY400 - the reason is the app's
        except asyncio.TimeoutError:
            logger.error("the app's shutdown took longer than %.1f s", patience)  # noqa: TRY400 - nothing more to tell

    def _server(self, lifespan: Lifespan) -> Server:
        plan = self.orders.plan
        return Server(
            Front(self._told_apart(), self.readiness, path=plan.ping_path, forwarded=Forwarded(_trusted(plan))),
            lifespan.state,
            keep_alive=plan.keep_alive,
            websockets=not isinstance(self.app, Bridge),
            certificate=plan.certificate,
        )

    def _told_apart(self) -> Application:
        """The app, whose entries in the central log have the id of the request that it answers."""
        if self.orders.plan.logs is None:
            return self.app
        identified: Application = pkgutil.resolve_name("headrace.logs:RequestId")(self.app)
        return identified

    def _agent(self) -> Agent | None:
        plan = self.orders.plan
        if plan.membership is None:
            return None
        own_ca = plan.certificate.ca if plan.certificate else None
        return Agent(plan.membership, self.orders.place, plan.ping_path, own_ca, self._tell_ready)

    def _stop_event(self) -> asyncio.Event:
        """Set by SIGTERM, and by the end of the parent; a second SIGTERM means nothing more."""
        stop, loop = asyncio.Event(), asyncio.get_running_loop()

        def orphaned() -> None:
            loop.remove_reader(self.parent.fileno())
            stop.set()

        loop.add_signal_handler(signal.SIGTERM, stop.set)
        loop.add_reader(self.parent.fileno(), orphaned)
        return stop


def _trusted(plan: Plan) -> frozenset[str]:
    """Whose word about clients is taken: this machine's and the balancer's."""
    host = urlsplit(plan.membership.url).hostname if plan.membership else None
    if not host:
        return LOOPBACK
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return LOOPBACK
    return LOOPBACK | {str(address[4][0]) for address in found}


if __name__ == "__main__":
    code = main(int(sys.argv[-1]))
    if code == CUT:
        # Threads that hang in the app would keep the process; what could be saved was.
        logging.shutdown()
        os._exit(code)
    sys.exit(code)
