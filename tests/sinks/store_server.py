"""S3 servers for tests: moto's as a process, and one that answers what it is told."""

import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.webserver import Handler, serving

BUCKET = "landed"
FIELDS = {"ETag": '"1"', "Last_Modified": "Mon, 24 Nov 2025 16:00:00 GMT"}


def environment(url: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def s3_server(port: int = 0) -> Iterator[str]:
    """The URL of a moto server with an empty bucket; port 0 is a free one."""
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        url = _announced(process)
        threading.Thread(target=process.stderr.read, daemon=True).start()
        httpx.put(f"{url}/{BUCKET}").raise_for_status()
        yield url
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def _announced(process: subprocess.Popen[str]) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (line := process.stderr.readline()):
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    raise AssertionError("moto's server didn't start")


class ScriptedStore:
    """Answers each PUT with the next of `replies`, then with 200; GETs with `contents`."""

    def __init__(self) -> None:
        self.replies: list[tuple[int, str]] = []
        self.puts: list[tuple[str, dict[str, str], bytes]] = []
        self.fields: dict[str, str] = {}
        self.contents: bytes | None = None
        self.url = ""


@contextmanager
def scripted_store(tls: ssl.SSLContext | None = None) -> Iterator[ScriptedStore]:
    store = ScriptedStore()

    class Store(Handler):
        def respond(self):
            if self.command == "GET":
                self.answer(404 if store.contents is None else 200, store.contents or b"", **FIELDS)
                return
            store.puts.append((self.path, self.named(), self.body()))
            status, code = store.replies.pop(0) if store.replies else (200, "")
            said = f"<Error><Code>{code}</Code><Message>because</Message></Error>".encode() if code else b""
            self.answer(status, said, **FIELDS, **store.fields)

    with serving(Store, tls) as store.url:
        yield store
