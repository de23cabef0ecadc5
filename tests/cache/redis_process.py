"""A Redis of the tests' own."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import free_port


@contextlib.contextmanager
def redis_process(folder: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Its URL and its process, once it answers."""
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is missing")
        pytest.skip("redis-server is missing")
    import redis

    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *options]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        with redis.Redis(port=port) as client:
            while True:
                try:
                    client.ping()
                    break
                except redis.exceptions.AuthenticationError:
                    break
                except redis.exceptions.ConnectionError:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}", running
    finally:
        running.kill()
        running.wait()
