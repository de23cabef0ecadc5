"""Notices that Python files have changed, by looking at their times: no dependency, and right on every file system."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

INTERVAL = 0.5  # seconds between two looks
NOT_SOURCE = frozenset({"__pycache__", "node_modules", "site-packages"})


async def changes(folder: Path, interval: float = INTERVAL) -> AsyncIterator[list[Path]]:
    """Yields what has changed below `folder`, once the changes have come to rest.

    Example: `async for paths in changes(Path.cwd()): ...`.
    """
    before = await asyncio.to_thread(times, folder)
    while True:
        now = await _look(folder, interval)
        if now == before:
            continue
        while now != (now := await _look(folder, interval)):
            continue  # an editor or a checkout is still at it
        yield sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))
        before = now


def times(folder: Path) -> dict[Path, int]:
    """When each Python file below `folder` was changed, in nanoseconds; virtual environments aren't looked into."""
    found = {}
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if _is_source(Path(parent, name))]
        for name in files:
            if name.endswith(".py"):
                path = Path(parent, name)
                try:
                    found[path] = path.stat().st_mtime_ns
                except OSError:
                    continue  # gone since it was listed
    return found


async def _look(folder: Path, delay: float) -> dict[Path, int]:
    await asyncio.sleep(delay)
    return await asyncio.to_thread(times, folder)


def _is_source(folder: Path) -> bool:
    return not (folder.name.startswith(".") or folder.name in NOT_SOURCE or (folder / "pyvenv.cfg").exists())
