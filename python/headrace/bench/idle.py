"""The memory of idle connections: what a proxy grows by while thousands of TLS clients are connected and say nothing.

Each client asks once, so that whatever is made for the first request is there, and then stays. The figure is the
growth of the proportional set size of all the proxy's processes; the kernel's own buffers are the same for all.
"""

import contextlib
import functools
import resource
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from headrace.bench.peer import HEADRACE, PEERS, Peer
from headrace.bench.process import memory_of
from headrace.bench.rig import Rig, Target
from headrace.bench.scenario import Contestant, Sample, Scenario
from headrace.errors import OperationError

WARM = 20  # connections that have come and gone before it counts
SPARE_FILES = 500  # of the limit, for everything else
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: headrace-bench\r\n\r\n"


def memory(peer: Peer, rig: Rig) -> Sample:
    """KiB that the peer holds for each idle TLS connection."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES
    count = min(rig.effort.idle_connections, most)
    with rig.proxy(peer, tls=True) as target:
        with _clients(target, WARM):
            pass
        before = memory_of(target.pid)
        with _clients(target, count):
            grown = memory_of(target.pid) - before
    fewer = " (limited by open files)" if count < rig.effort.idle_connections else ""
    return Sample(grown / count / 1024, note=f"{count} connections{fewer}")


@contextlib.contextmanager
def _clients(target: Target, count: int) -> Iterator[None]:
    """So many clients that have had one answer each."""
    parts = urlsplit(target.url)
    context = ssl._create_unverified_context()  # noqa: S323, SLF001 - the certificate was made for this run
    with contextlib.ExitStack() as stack:
        try:
            for _ in range(count):
                plain = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10)
                _ask(stack.enter_context(context.wrap_socket(plain)))
        except OSError as error:
            raise OperationError(f"an idle connection to {target.url} failed: {error}") from error
        yield


def _ask(client: ssl.SSLSocket) -> None:
    client.sendall(REQUEST)
    head = client.recv(65536)
    if not head.startswith(b"HTTP/1.1 200 "):
        raise OSError(f"answered with {head[:40]!r}")


IDLE = Scenario(
    "idle",
    "Memory of an idle TLS connection",
    "KiB a connection",
    tuple(
        Contestant(each.name, (each.tool,), functools.partial(memory, each), ours=each is HEADRACE) for each in PEERS
    ),
    target=1.0,
    against=("nginx",),
)
