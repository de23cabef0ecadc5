"""The core in a process of its own, whose memory and open files are its own too."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from .wire import PATIENCE

BALANCER = textwrap.dedent(
    """
    import resource
    import sys
    from headrace._core import Balancer, BalancerOptions, Engine, Limits, Route, RoutingTable, Server, Service

    if files := int(sys.argv[2]):
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    engine = Engine(threads=1)
    balancer = Balancer(BalancerOptions(max_body=1 << 40))
    routes = [Route("web", compressed=sys.argv[3] == "1")]
    balancer.publish(RoutingTable([Service("web", [Server("s0", sys.argv[1])])], routes))
    listener = engine.listen("127.0.0.1:0", balancer)
    print(listener.address, flush=True)
    sys.stdin.read()
    engine.stop(0)
    """
)


INGEST = textwrap.dedent(
    """
    import sys
    from headrace._core import Engine, IngestServer, Journal, Tls

    folder, chain, key = sys.argv[1:]
    journal = Journal(folder, reserve_bytes=0)
    server = IngestServer(journal)
    engine = Engine(threads=1)
    listeners = [engine.listen("127.0.0.1:0", server, tls=tls) for tls in (None, Tls([(chain, key)]))]
    print(*(listener.address for listener in listeners), flush=True)
    sys.stdin.read()
    engine.stop(0)
    journal.close()
    """
)


class Process:
    """Runs a script that prints its addresses and ends with its input."""

    def __init__(self, script: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.addresses = self._process.stdout.readline().split()

    @property
    def address(self) -> str:
        return self.addresses[0]

    def resident(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (kilobytes,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
        return int(kilobytes) * 1024

    def close(self) -> None:
        """Ends it, if that was not done before."""
        if self._process.returncode is None:
            self._process.communicate(timeout=PATIENCE)


def balancer(server: str, *, files: int = 0, compressed: bool = False) -> Process:
    """Balances to one server; `files` is its limit of open files, 0 leaves it."""
    return Process(BALANCER, server, str(files), str(int(compressed)))


def ingest(folder: Path, certificate: tuple[str, str]) -> Process:
    """Listens on two addresses, plain and with TLS."""
    return Process(INGEST, str(folder), *certificate)
