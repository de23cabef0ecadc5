"""How the service hears of the world: signals of the process, events of the core."""

import asyncio
import gc
import logging
import resource
import signal
import threading
from collections.abc import Callable

from headrace import _core

log = logging.getLogger(__name__)

LONGEST_WAIT = 1.0  # seconds; bounds how long the thread below outlives a wake that came too early


def allow_open_files() -> None:
    """Raise the soft limit of open files to the hard one: each client costs one or two, and shells give 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def keep_all() -> None:
    """Tell the garbage collector that what there is now stays, so that it needn't look at it ever again.

    For when a service has begun. Otherwise all of it is looked at once more when the process ends, which takes several
    times as long as all else that is done then.
    """
    gc.collect()
    gc.freeze()


class Stop:
    """How the process is asked to stop: the first signal gracefully, the second at once."""

    def __init__(self, at_once: Callable[[], object]) -> None:
        self.asked = asyncio.Event()
        self._at_once = at_once

    def listen(self, *, reload: Callable[[], None]) -> None:
        """Listen to SIGTERM and SIGINT, and to SIGHUP for `reload`."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.ask)
        loop.add_signal_handler(signal.SIGHUP, reload)

    def ask(self) -> None:
        """Stop, or hurry up."""
        if self.asked.is_set():
            log.info("stopping at once")
            threading.Thread(target=self._at_once, daemon=True).start()
        else:
            log.info("stopping when the requests under way are done; a second signal stops at once")
            self.asked.set()


def at_once(
    engine: _core.Engine, hurry: asyncio.Event, then: Callable[[], object] = lambda: None
) -> Callable[[], None]:
    """What a second signal does, from any thread: requests end now, `hurry` tells the rest, and `then` is called."""
    loop = asyncio.get_running_loop()

    def act() -> None:
        loop.call_soon_threadsafe(hurry.set)
        engine.stop(0.0)
        then()

    return act


class EventPump:
    """A thread that waits for the core's events and hands them to the event loop."""

    def __init__(self, engine: _core.Engine, take: Callable[[list[_core.Event]], None]) -> None:
        self._engine = engine
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="headrace-events", daemon=True)

    def start(self) -> None:
        """Begin to hand over."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread: soon after the engine has stopped, which from then on answers without waiting."""
        self._stopping.set()
        self._engine.wake()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            events = self._engine.events(LONGEST_WAIT)
            if events:
                self._loop.call_soon_threadsafe(self._take, events)
