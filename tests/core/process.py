"""A balancer in a process of its own, whose memory and open files are its own too."""

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
    balancer.publish(RoutingTable([Service("web", [Server("s0", sys.argv[1])])], [Route("web")]))
    listener = engine.listen("127.0.0.1:0", balancer)
    print(listener.address, flush=True)
    sys.stdin.read()
    engine.stop(0)
    """
)


class Process:
    """Balances to one server; `files` is its limit of open files, 0 leaves it."""

    def __init__(self, server: str, *, files: int = 0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", BALANCER, server, str(files)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = self._process.stdout.readline().strip()

    def resident(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (kilobytes,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
        return int(kilobytes) * 1024

    def close(self) -> None:
        self._process.communicate(timeout=PATIENCE)
