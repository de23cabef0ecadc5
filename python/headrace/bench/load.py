"""Load and what came of it: wrk for HTTP/1.1, h2load for HTTP/2, both with the headers that a browser sends."""

import functools
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.bench.process import pinned
from headrace.bench.tools import H2LOAD, WRK
from headrace.errors import OperationError

BROWSER_HEADERS = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Cookie: session=8d1f0c52b7a94e3f; theme=dark",
    "Referer: https://localhost/posts",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
)
HEADER_OPTIONS = tuple(part for header in BROWSER_HEADERS for part in ("-H", header))

CONNECTIONS = 64
CONNECTIONS_HTTP2 = 16
PACED_CONNECTIONS = 32
PATIENCE = 30  # seconds that a generator may take beyond those that it was told to load for

# One cipher and one group for all, so that no peer gains by having chosen a cheaper one.
CIPHER = "TLS_AES_128_GCM_SHA256"
OPENSSL_SETTINGS = f"""\
openssl_conf = settings
[settings]
ssl_conf = ssl
[ssl]
system_default = offered
[offered]
MinProtocol = TLSv1.3
Ciphersuites = {CIPHER}
Groups = X25519
"""


@dataclass(frozen=True)
class Load:
    """What a generator counted."""

    requests: int
    errors: int


@dataclass(frozen=True)
class Paced:
    """What came of requests that were sent at a fixed rate: start and duration of each, in microseconds."""

    requests: tuple[tuple[int, int], ...]
    errors: int

    @functools.cached_property
    def durations(self) -> list[int]:
        """Sorted."""
        return sorted(duration for _, duration in self.requests)

    def percentile(self, percent: float) -> int:
        """The duration below which `percent` of them lie (nearest rank)."""
        return self.durations[min(len(self.durations) - 1, int(len(self.durations) * percent / 100))]


@dataclass(frozen=True)
class Generator:
    """Makes load from one core; the folder keeps what OpenSSL shall offer, and logs."""

    core: int
    folder: Path

    def http1(self, url: str, seconds: int) -> Load:
        """Keeps a request under way on each of 64 connections of HTTP/1.1."""
        pace = ("-t1", f"-c{CONNECTIONS}", f"-d{seconds}s")
        return read_wrk(self.run(WRK.require(), *pace, *HEADER_OPTIONS, url, seconds=seconds))

    def http2(self, url: str, seconds: int, streams: int) -> Load:
        """Keeps `streams` requests under way on each of 16 connections of HTTP/2."""
        pace = (f"-c{CONNECTIONS_HTTP2}", f"-m{streams}", f"-D{seconds}")
        return read_h2load(self.run(H2LOAD.require(), *pace, *HEADER_OPTIONS, url, seconds=seconds))

    def at_rate(
        self,
        url: str,
        seconds: int,
        rate: int,
        *,
        connections: int = PACED_CONNECTIONS,
        options: Sequence[str] = HEADER_OPTIONS,
    ) -> Paced:
        """Sends `rate` requests a second by HTTP/1.1, whether or not the ones before were answered.

        `options` are h2load's, and say what is sent.
        """
        log = self.folder / "requests.log"
        log.unlink(missing_ok=True)
        pace = ("--h1", f"-c{connections}", f"--rps={rate / connections:g}", f"-D{seconds}", f"--log-file={log}")
        load = read_h2load(self.run(H2LOAD.require(), *pace, *options, url, seconds=seconds))
        return Paced(read_log(log.read_text()), load.errors)

    def negotiated(self, url: str) -> str:
        """What one connection agreed on: `"TLSv1.3 TLS_AES_128_GCM_SHA256"`."""
        output = self.run(H2LOAD.require(), "-n1", "-c1", f"--tls13-ciphers={CIPHER}", url)
        return " ".join(re.findall(r"^(?:TLS Protocol|Cipher): (\S+)", output, re.MULTILINE))

    def run(self, *command: str, seconds: int = 60) -> str:
        """What the command prints, which is to take so long. Raises `OperationError` when it fails or does not end."""
        settings = self.folder / "openssl.cnf"
        settings.write_text(OPENSSL_SETTINGS)
        try:
            done = subprocess.run(
                pinned(command, self.core),
                capture_output=True,
                text=True,
                env={**os.environ, "OPENSSL_CONF": str(settings)},
                timeout=seconds + PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise OperationError(f"{Path(command[0]).name} was not answered within {seconds + PATIENCE} s") from error
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise OperationError(f"{Path(command[0]).name} failed: {' / '.join(said[-2:])}")
        return done.stdout


def read_wrk(output: str) -> Load:
    """Counts requests and errors in what wrk printed."""
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    errors = [*(sockets.groups() if sockets else ()), *(refused.groups() if refused else ())]
    return Load(_number(r"(\d+) requests in", output), sum(map(int, errors)))


def read_h2load(output: str) -> Load:
    """Counts requests and errors in what h2load printed."""
    failed = _number(r"(\d+) failed", output) + _number(r"(\d+) errored", output)
    redirected = _number(r"(\d+) 3xx", output)
    return Load(_number(r"(\d+) succeeded", output), failed + redirected)


def read_log(log: str) -> tuple[tuple[int, int], ...]:
    """Start and duration of each request in h2load's log: start, status and duration on each line, in microseconds."""
    lines = (line.split("\t") for line in log.splitlines())
    return tuple((int(start), int(duration)) for start, _, duration in lines)


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    if not found:
        raise OperationError(f"the load generator's report says nothing of {pattern}", hint=text.strip()[-200:])
    return int(found.group(1))
