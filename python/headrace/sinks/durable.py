"""Files that a power cut leaves where they are: a local folder has landed what it took only once it is synced.

obstore writes an object of a folder to a draft, `KEY#1` or the next number that is free, and links it to its key. A
process that is killed meanwhile leaves the draft; the same object is written again after the restart, and then it goes.
"""

import os
from collections.abc import Iterable
from itertools import count, takewhile
from pathlib import Path


def sync(files: Iterable[Path], root: Path) -> None:
    """Syncs the files, then once the folders from them up to `root`, which may be new. Raises `OSError`.

    Drafts of them that a crash left are removed.
    """
    folders = {root}
    for path in files:
        _remove_drafts(path)
        _sync(path, os.O_RDONLY)
        folders.update(takewhile(lambda folder: folder != root, path.parents))
    for folder in folders:
        _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _remove_drafts(path: Path) -> None:
    drafts = (path.with_name(f"{path.name}#{number}") for number in count(1))
    for draft in takewhile(Path.exists, drafts):
        draft.unlink()


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
