"""ASGI's lifespan: the app's own startup and shutdown."""

import asyncio
import logging
from typing import Any

from headrace.app.asgi import Application, Message

logger = logging.getLogger(__name__)


class LifespanError(Exception):
    """The app's startup or shutdown failed; the message is its own."""


class Lifespan:
    """Runs one app's lifespan; an app that knows nothing of it simply has none.

    Example:
        lifespan = Lifespan(app)
        await lifespan.startup()
        ...
        await lifespan.shutdown()

    `state` is what the app puts into its scope for all requests.
    """

    def __init__(self, app: Application) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Waits until the app is ready. Raises `LifespanError`."""
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(_take_exception)
        await self._ask("startup")

    async def shutdown(self) -> None:
        """Waits until the app has put its things away. Raises `LifespanError`."""
        if self._task is not None and not self._task.done():
            await self._ask("shutdown")

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        await self._app(scope, self._to_app.get, self._from_app.put)

    async def _ask(self, what: str) -> None:
        assert self._task is not None
        await self._to_app.put({"type": f"lifespan.{what}"})
        said = asyncio.create_task(self._from_app.get())
        await asyncio.wait({said, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not said.done():
            said.cancel()
            self._ended_without_a_word(what)
            return
        message = said.result()
        if message["type"] == f"lifespan.{what}.failed":
            raise LifespanError(message.get("message") or f"the app's {what} failed and didn't say why")

    def _ended_without_a_word(self, what: str) -> None:
        """Before the first word an exception means, by the specification, that the app has no lifespan."""
        assert self._task is not None
        error = self._task.exception()
        if error is None:
            return
        if what == "shutdown":
            raise LifespanError(f"{type(error).__name__}: {error}") from error
        logger.info("the app takes no part in lifespan (%s: %s)", type(error).__name__, error)


def _take_exception(task: asyncio.Task[None]) -> None:
    """An app that said that it failed may raise as well; once is enough."""
    if not task.cancelled():
        task.exception()
