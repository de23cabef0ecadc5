"""A small disk that fills up, is written to by others, and can be closed."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import until

PIECE = 4096


class SmallDisk:
    """A file system of its own in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ballast = folder / "ballast"

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Somebody else's file takes what room there is."""
        with self._ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(PIECE)):
                pass
        try:
            yield
        finally:
            self._ballast.unlink()

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """Nothing can be written to it, from the first moment on in which nobody writes."""
        until(self._close, what="moment without a writer")
        try:
            yield
        finally:
            _mount("-o", "remount,rw", str(self._folder))

    def _close(self) -> bool:
        with contextlib.suppress(subprocess.CalledProcessError):
            _mount("-o", "remount,ro", str(self._folder))
            return True
        return False


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "8m") -> Iterator[SmallDisk]:
    """A tmpfs at `folder`; skips where that isn't allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder.mkdir(parents=True)
    try:
        _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"a small disk cannot be mounted here: {error.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True, text=True)
