"""Holds all workers back while a sink is not to be bothered, and lets one of them try."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager


class Gate:
    """Open, or shut for a while; after it one attempt at a time is let through until one succeeds.

    Example: `async with gate.attempt(): await sink.put(batch)`, and inside it `gate.open()` after success,
    `gate.shut(5.0)` when nobody should try for the next 5 seconds.
    """

    def __init__(self) -> None:
        self.is_open = True
        self._until = 0.0
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """One attempt: begins at once while the gate is open, else when it is this one's turn and the time has come."""
        async with AsyncExitStack() as turn:
            if not self.is_open:
                await turn.enter_async_context(self._turn)
            if self.is_open:
                await turn.aclose()
            else:
                await asyncio.sleep(max(0.0, self._until - asyncio.get_running_loop().time()))
            yield

    def shut(self, seconds: float) -> None:
        """No attempt begins for so long."""
        self.is_open = False
        self._until = asyncio.get_running_loop().time() + seconds

    def open(self) -> None:
        """Attempts begin at once."""
        self.is_open = True
