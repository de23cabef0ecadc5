"""The cost of a proxied request: processor time of the proxy's processes, by requests."""

import functools
from collections.abc import Callable, Sequence

from headrace.bench.load import Load
from headrace.bench.peer import HEADRACE, PEERS, Peer
from headrace.bench.process import cpu_of
from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Sample, Scenario

MICROSECONDS = "CPU µs a request"


def proxied(
    name: str, title: str, *, tls: bool = True, streams: int = 0, path: str = "", target: float | None = None
) -> Scenario:
    """A scenario that loads each peer with requests for `path` and divides what it used by them."""
    contestants = tuple(
        Contestant(
            peer.name,
            (peer.tool,),
            functools.partial(cost, peer, tls=tls, streams=streams, path=path),
            ours=peer is HEADRACE,
        )
        for peer in PEERS
    )
    return Scenario(name, title, MICROSECONDS, contestants, target)


def cost(peer: Peer, rig: Rig, *, tls: bool, streams: int = 0, path: str = "") -> Sample:
    """Starts the peer and loads it; the note says what was negotiated.

    With `streams` it is HTTP/2 with so many requests at once on a connection, without it is HTTP/1.1.
    """
    seconds, generator = rig.effort.seconds, rig.generator
    with rig.proxy(peer, tls=tls) as target:
        note = generator.negotiated(target.url) if tls else ""
        url = target.url + path
        return spent(
            [target.pid],
            lambda: generator.http2(url, seconds, streams) if streams else generator.http1(url, seconds),
            note,
        )


def spent(pids: Sequence[int], load: Callable[[], Load], note: str = "") -> Sample:
    """Microseconds of processor time that the processes use for each request of a load."""
    before = cpu_of(pids)
    done = load()
    used = cpu_of(pids) - before
    if not done.requests:
        return Sample(0.0, done.errors, note, "no request was answered")
    return Sample(used.total / done.requests * 1e6, done.errors, note)


PROXIED = (
    proxied("http1", "HTTP/1.1, small response", tls=False, target=0.80),
    proxied("tls", "HTTP/1.1 + TLS, small response", target=0.75),
    proxied("http2", "HTTP/2 + TLS, 16 connections of 8 streams", streams=8, target=0.95),
    proxied("large", "1 MB response, HTTP/1.1", tls=False, path="megabyte", target=0.60),
    proxied("large-tls", "1 MB response, HTTP/1.1 + TLS", path="megabyte", target=0.80),
    proxied("large-http2", "1 MB response, HTTP/2 + TLS, 16 connections", streams=1, path="megabyte"),
)
