"""What a hit of the edge cache costs: processor time of the proxy's processes, by hits.

10,000 objects are asked for by a Zipf distribution, after each was fetched once. The backend writes down what it is
asked for: a peer that asks it for anything more has no figure.
"""

import contextlib
import dataclasses
import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from headrace.bench.load import CONNECTIONS, HEADER_OPTIONS, Generator, Load, read_h2load, read_wrk
from headrace.bench.peer import CONFIGURATIONS, HEADRACE, NGINX_PEER, Peer, Setting, Template
from headrace.bench.proxied import spent
from headrace.bench.rig import OBJECTS_LOG, Rig
from headrace.bench.scenario import Contestant, Sample, Scenario
from headrace.bench.tools import H2LOAD, VARNISH, WRK

OBJECTS: Final = 10_000
FILLING: Final = 60  # seconds to fetch all of them once, at most
MICROSECONDS: Final = "CPU µs a hit"

OURS: Final = dataclasses.replace(HEADRACE, configuration="edge.toml")
NGINX_CACHE: Final = dataclasses.replace(NGINX_PEER, configuration="edge-nginx.conf")
NGINX_GZIP: Final = dataclasses.replace(NGINX_PEER, name="nginx-gzip", configuration="edge-nginx-gzip.conf")
VARNISH_PEER: Final = Peer(
    name="varnish",
    tool=VARNISH,
    configuration="edge.vcl",
    arguments=("-F", "-n", "@folder/varnish", "-a", "127.0.0.1:@port", "-f", "@configuration", "-s", "malloc,2g"),
    tls="",
    server='.host = "@host"; .port = "@port";',
)


def edge(
    name: str, title: str, kind: str, peers: tuple[Peer, ...], *, tls: bool = False, target: float | None = None
) -> Scenario:
    """A scenario of hits of objects of a `kind`, which is what their paths begin with at the backend."""
    contestants = tuple(
        Contestant(peer.name, (peer.tool, WRK, H2LOAD), functools.partial(cost, peer, kind=kind, tls=tls), peer is OURS)
        for peer in peers
    )
    return Scenario(name, title, MICROSECONDS, contestants, target)


def cost(peer: Peer, rig: Rig, *, kind: str, tls: bool) -> Sample:
    """Starts the peer with an empty cache, has it fetch every object, and loads it with requests for them."""
    log = rig.setting.folder / OBJECTS_LOG
    with _emptied(rig.setting) as setting, peer.started(setting, rig.servers(), tls=tls) as (process, url):
        began = _lines(log)
        fetch_all(rig.generator, url, kind)
        filled = _lines(log)
        sample = spent([process.pid], lambda: hit(rig.generator, url, kind, rig.effort.seconds))
        missed = _lines(log) - filled
    if filled - began != OBJECTS or missed:
        failure = f"the backend was asked for {filled - began} of {OBJECTS} objects, and for {missed} once more"
        return dataclasses.replace(sample, failure=failure)
    return sample


def fetch_all(generator: Generator, url: str, kind: str) -> Load:
    """Asks for every object once."""
    targets = generator.folder / "objects.txt"
    targets.write_text("".join(f"{url}{kind}/{number}\n" for number in range(1, OBJECTS + 1)))
    command = (H2LOAD.require(), "--h1", "-c1", f"-n{OBJECTS}", *HEADER_OPTIONS, "-i", str(targets))
    return read_h2load(generator.run(*command, seconds=FILLING))


def hit(generator: Generator, url: str, kind: str, seconds: int) -> Load:
    """Asks for the objects by HTTP/1.1, with a request under way on each connection."""
    script = generator.folder / "zipf.lua"
    script.write_text(Template((CONFIGURATIONS / script.name).read_text()).substitute(objects=OBJECTS, kind=kind))
    pace = ("-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script))
    return read_wrk(generator.run(WRK.require(), *pace, *HEADER_OPTIONS, url, seconds=seconds))


@contextlib.contextmanager
def _emptied(setting: Setting) -> Iterator[Setting]:
    """The same with a folder in which nothing is cached; what is cached there in the end goes with it."""
    with tempfile.TemporaryDirectory(dir=setting.folder) as name:
        folder = Path(name)
        folder.chmod(0o755)  # servers that give up root must still find their files
        yield dataclasses.replace(setting, folder=folder)


def _lines(log: Path) -> int:
    return log.read_bytes().count(b"\n")


ALL: Final = (OURS, NGINX_CACHE, VARNISH_PEER)

EDGE: Final = (
    edge("edge-hit", "Hit of the edge cache, 1 KB, HTTP/1.1", "1024", ALL, target=0.60),
    edge("edge-hit-large", "Hit of the edge cache, 100 KB, HTTP/1.1", "102400", ALL, target=0.60),
    edge("edge-hit-page", "Hit of the edge cache, 100 KB of HTML, HTTP/1.1", "page", (*ALL, NGINX_GZIP), target=0.60),
    edge("edge-hit-tls", "Hit of the edge cache, 1 KB, HTTP/1.1 + TLS", "1024", (OURS, NGINX_CACHE), tls=True),
)
