"""The parent of the workers: announces them, replaces them one by one when files change, and ends them all."""

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from headrace.app.keeper import Keeper
from headrace.app.place import Place, bind_all
from headrace.app.plan import Plan
from headrace.app.reload import changes
from headrace.clock import Clock
from headrace.errors import HeadraceError

logger = logging.getLogger(__name__)


class Supervisor:
    """Runs a worker for each place.

    Example: `asyncio.run(Supervisor(plan, places(...), announce).run())`, where `announce` is called once with the
    places, free ports resolved, when all serve. `watch` is a folder whose Python files are watched; `renew`, called
    every `renewal` seconds, keeps the certificate fresh. Raises `OperationError` for places that are taken.
    """

    def __init__(
        self,
        plan: Plan,
        wanted: Sequence[Place],
        announce: Callable[[Sequence[Place]], None],
        *,
        watch: Path | None = None,
        renew: Callable[[], object] | None = None,
        renewal: float = 3600.0,
        clock: Clock | None = None,
    ) -> None:
        bound = bind_all(wanted)
        self._places = [place for place, _ in bound]
        self._announce = announce
        self._watch = watch
        self._renew = renew
        self._renewal = renewal
        self._stop = asyncio.Event()
        self._keepers = [
            Keeper(plan, index, place, listener, clock or Clock(), patient=watch is not None)
            for index, (place, listener) in enumerate(bound)
        ]

    async def run(self) -> bool:
        """Runs until SIGTERM or SIGINT, a second one ends it at once; whether every worker ended well.

        Raises `OperationError` when the app can't be served at all.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        lives = [asyncio.create_task(keeper.run()) for keeper in self._keepers]
        chores = [asyncio.create_task(chore) for chore in (self._tell(), self._reload(), self._refresh())]
        asked = asyncio.create_task(self._stop.wait())
        await asyncio.wait({asked, *lives}, return_when=asyncio.FIRST_COMPLETED)
        for task in (asked, *chores):
            task.cancel()
        for keeper in self._keepers:
            keeper.stop()
        ends = await asyncio.gather(*lives, return_exceptions=True)
        for place in self._places:
            place.release()
        for error in filter(None, ends):
            raise error
        return all(keeper.ended_well for keeper in self._keepers)

    def _end(self) -> None:
        if self._stop.is_set():
            for keeper in self._keepers:
                keeper.kill()
        self._stop.set()

    async def _tell(self) -> None:
        for keeper in self._keepers:
            await keeper.ready.wait()
        self._announce(self._places)

    async def _reload(self) -> None:
        """One after the other, so that the others serve meanwhile."""
        if self._watch is None:
            return
        async for paths in changes(self._watch):
            more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
            logger.info("%s%s changed; restarting the workers", paths[0].relative_to(self._watch), more)
            for keeper in self._keepers:
                await keeper.replace()

    async def _refresh(self) -> None:
        """The workers notice by themselves that the files have changed."""
        while self._renew is not None:
            await asyncio.sleep(self._renewal)
            try:
                await asyncio.to_thread(self._renew)
            except (HeadraceError, OSError) as error:
                logger.warning("the certificate was not renewed: %s", error)
