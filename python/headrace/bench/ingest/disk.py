"""What the disk can do: how often in a second a small write to it can be made safe."""

import functools
import os
import time
from contextlib import suppress

from headrace.bench.rig import Rig

BLOCK = b"\0" * 4096
SIZE = 1 << 22  # bytes that exist before it begins, so that a sync writes data and no new length
SECONDS = 1.0


@functools.cache
def syncs_a_second(rig: Rig) -> float:
    """How many times a second 4 KiB can be written and synced, one after the other."""
    path = rig.setting.folder / "disk"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with suppress(OSError):
            os.posix_fallocate(descriptor, 0, SIZE)
        count, began = 0, time.monotonic()
        while (took := time.monotonic() - began) < SECONDS:
            os.pwrite(descriptor, BLOCK, count * len(BLOCK) % SIZE)
            os.fdatasync(descriptor)
            count += 1
        return count / took
    finally:
        os.close(descriptor)
        path.unlink()
