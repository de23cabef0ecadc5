"""The cost of a proxied request: processor time of the proxy's processes, by requests."""

import functools

from headrace.bench.load import Load
from headrace.bench.peer import HEADRACE, PEERS, Peer
from headrace.bench.process import cpu_of
from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Sample, Scenario

MICROSECONDS = "CPU µs a request"


def proxied(
    name: str, title: str, *, tls: bool = True, http2: bool = False, path: str = "", target: float | None = None
) -> Scenario:
    """A scenario that loads each peer with requests for `path` and divides what it used by them."""
    contestants = tuple(
        Contestant(
            peer.name, (peer.tool,), functools.partial(cost, peer, tls=tls, http2=http2, path=path), peer is HEADRACE
        )
        for peer in PEERS
    )
    return Scenario(name, title, MICROSECONDS, contestants, target)


def cost(peer: Peer, rig: Rig, *, tls: bool, http2: bool = False, path: str = "", servers: int = 0) -> Sample:
    """Starts the peer, loads it, and divides; the note says what was negotiated."""
    with rig.proxy(peer, tls=tls, servers=rig.servers(servers)) as target:
        note = rig.generator.negotiated(target.url) if tls else ""
        before = cpu_of([target.pid])
        generate = rig.generator.http2 if http2 else rig.generator.http1
        load = generate(target.url + path, rig.effort.seconds)
        used = cpu_of([target.pid]) - before
    return per_request(used.total, load, note)


def per_request(seconds: float, load: Load, note: str = "") -> Sample:
    """Microseconds a request."""
    if not load.requests:
        return Sample(0.0, load.errors, note, "no request was answered")
    return Sample(seconds / load.requests * 1e6, load.errors, note)


PROXIED = (
    proxied("http1", "HTTP/1.1, small response", tls=False, target=0.80),
    proxied("tls", "HTTP/1.1 + TLS, small response", target=0.75),
    proxied("http2", "HTTP/2 + TLS, 16 connections of 8 streams", http2=True, target=0.95),
    proxied("large", "1 MB response, HTTP/1.1", tls=False, path="megabyte", target=0.60),
    proxied("large-tls", "1 MB response, HTTP/1.1 + TLS", path="megabyte", target=0.80),
    proxied("large-http2", "1 MB response, HTTP/2 + TLS", http2=True, path="megabyte"),
)
