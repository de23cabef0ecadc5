"""A gigabyte up and down through the balancer over HTTPS: whole, and memory stays flat on both sides of the wire."""

import json
import os
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import Process

from .stack import SITE, Stack

GIGABYTE = 1 << 30
PATIENCE = 600  # seconds; HTTP/2 waits for a window 16,000 times, each time for a turn on a busy machine
FLAT = 64 << 20  # what all processes together may grow by while it passes


@contextmanager
def flat_memory(*processes: Process):
    """Asserts that the processes never hold much of what passes through them."""
    done = threading.Event()
    before = sum(process.memory() for process in processes)
    most = before

    def watch() -> None:
        nonlocal most
        while not done.wait(0.1):
            most = max(most, sum(process.memory() for process in processes))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    assert most - before < FLAT, f"grew by {(most - before) >> 20} MiB"


@pytest.fixture
def gigabyte(tmp_path: Path) -> Path:
    """A file with a hole: its length costs no disk."""
    path = tmp_path / "gigabyte"
    path.touch()
    os.truncate(path, GIGABYTE)
    return path


@pytest.fixture
def curl(tool, stack: Stack):
    def run(protocol: str, path: str, *flags: str) -> str:
        command = (tool("curl"), "--silent", "--show-error", "--fail", "--cacert", str(stack.ca), protocol, *flags)
        done = subprocess.run(
            [*command, stack.url + path], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


UPLOAD = ("--request", "POST", "--upload-file")
COUNT = ("--output", "/dev/null", "--write-out", "%{size_download}")


@pytest.mark.slow
@pytest.mark.timeout(2 * PATIENCE)
def test_an_asgi_app_takes_and_gives_a_gigabyte_over_http2(stack: Stack, curl, gigabyte: Path):
    balancer = stack.balance(max_body="2 GiB")
    app = stack.serve("plain:app")
    curl("--http2", "/")
    with flat_memory(balancer, app):
        uploaded = curl("--http2", "/digest", *UPLOAD, str(gigabyte))
        downloaded = curl("--http2", f"/download?size={GIGABYTE}", *COUNT)
    assert json.loads(uploaded)["length"] == int(downloaded) == GIGABYTE


@pytest.mark.slow
@pytest.mark.timeout(2 * PATIENCE)
def test_django_takes_and_gives_a_gigabyte_over_http1(stack: Stack, curl, gigabyte: Path, site: dict[str, str]):
    balancer = stack.balance(max_body="2 GiB")
    app = stack.serve("mysite.wsgi:application", env=site, cwd=SITE)
    curl("--http1.1", "/about")
    with flat_memory(balancer, app):
        uploaded = curl("--http1.1", "/upload", *UPLOAD, str(gigabyte))
        downloaded = curl("--http1.1", f"/download/{GIGABYTE}", *COUNT)
    assert json.loads(uploaded)["length"] == int(downloaded) == GIGABYTE


def test_more_than_the_balancer_takes_is_refused_early(stack: Stack, tool, gigabyte: Path):
    stack.balance()
    stack.serve("plain:app")
    # Over HTTP/1.1, because Debian's curl takes the reset that follows an early HTTP/2 response for the loss of it.
    command = (tool("curl"), "--silent", "--http1.1", "--cacert", str(stack.ca), "--upload-file", str(gigabyte))
    report = ("--output", "/dev/null", "--write-out", "%{http_code} %{size_upload}", "--request", "POST")
    # curl may complain that its upload was cut short; what it counted is printed all the same.
    printed = subprocess.run(
        [*command, *report, f"{stack.url}/digest"], stdout=subprocess.PIPE, timeout=60, check=False
    )
    status, sent = printed.stdout.decode().split()
    assert status == "413"
    assert int(sent) < 64 << 20
