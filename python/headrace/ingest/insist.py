"""Calls that must be done before anything goes on: an error of this machine's disk is not one of the batch."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, TypeVar

from headrace.errors import HeadraceError

AGAIN: Final = 1.0  # seconds

Result = TypeVar("Result")
logger = logging.getLogger(__name__)


async def insist(call: Callable[..., Result], *arguments: object) -> Result:
    """Calls it in a thread, once a second until it raises neither `OSError` nor an error of headrace's own.

    Example: `await insist(journal.landed, seal)`.
    """
    while True:
        try:
            return await asyncio.to_thread(call, *arguments)
        except (HeadraceError, OSError) as error:  # noqa: PERF203 - it is the loop's purpose
            logger.error("cannot land: %s", error)  # noqa: TRY400 - the words say it
            await asyncio.sleep(AGAIN)
