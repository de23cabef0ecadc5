"""A gigabyte up and down through the balancer over HTTPS: whole, and memory stays flat on both sides of the wire."""

import json
import os
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from .processes import Process
from .stack import Stack
from .test_django import SITE, data  # noqa: F401 - a fixture

GIGABYTE = 1 << 30
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
    def run(path: str, *flags: str) -> str:
        command = (tool("curl"), "--silent", "--show-error", "--fail", "--cacert", str(stack.ca), *flags)
        done = subprocess.run([*command, stack.url + path], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def length_of(answer: str) -> int:
    return json.loads(answer)["length"]


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["--http1.1", "--http2"])
def test_an_asgi_app_takes_and_gives_a_gigabyte(stack: Stack, curl, gigabyte: Path, protocol: str):
    balancer = stack.balance(max_body="2 GiB")
    app = stack.serve("plain:app")
    curl("/", protocol)
    with flat_memory(balancer, app):
        uploaded = curl("/digest", protocol, "--upload-file", str(gigabyte), "--request", "POST")
        counted = ("--output", "/dev/null", "--write-out", "%{size_download}")
        downloaded = curl(f"/download?size={GIGABYTE}", protocol, *counted)
    assert length_of(uploaded) == int(downloaded) == GIGABYTE


@pytest.mark.slow
def test_django_takes_and_gives_a_gigabyte(stack: Stack, curl, gigabyte: Path, data: dict[str, str]):  # noqa: F811
    balancer = stack.balance(max_body="2 GiB")
    app = stack.serve("mysite.wsgi:application", env=data, cwd=SITE)
    curl("/about")
    with flat_memory(balancer, app):
        uploaded = curl("/upload", "--upload-file", str(gigabyte), "--request", "POST")
        downloaded = curl(f"/download/{GIGABYTE}", "--output", "/dev/null", "--write-out", "%{size_download}")
    assert length_of(uploaded) == int(downloaded) == GIGABYTE


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
