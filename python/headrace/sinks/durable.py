"""Files that a power cut leaves where they are: a local folder has landed what it took only once it is synced."""

import os
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path


def sync(files: Iterable[Path], root: Path) -> None:
    """Syncs the files, then once the folders from them up to `root`, which may be new. Raises `OSError`."""
    folders = {root}
    for path in files:
        _sync(path, os.O_RDONLY)
        folders.update(takewhile(lambda folder: folder != root, path.parents))
    for folder in folders:
        _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
