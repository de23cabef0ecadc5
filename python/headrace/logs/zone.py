"""Times of syslog that tell no zone are those of this machine's, whose distance to UTC changes twice a year."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

EVERY: Final = 1.0  # seconds


async def follow(tell: Callable[[int], None]) -> None:
    """Tells how many seconds this machine's clocks are ahead of UTC, again and again, until cancelled."""
    while True:
        tell(time.localtime().tm_gmtoff)
        await asyncio.sleep(EVERY)
