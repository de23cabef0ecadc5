"""Waiting for something to become true."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Returns once `condition()` holds; fails after `seconds`."""

    async def poll() -> None:
        while not condition():  # noqa: ASYNC110 - whatever the condition is, it tells nobody
            await asyncio.sleep(0.001)

    await asyncio.wait_for(poll(), seconds)
