"""Visits to a blog, one after the other, straight at an app server and in three ways through the balancer.

An article measured such a page before and after a balancer and a cache were put in place; its figures stand beside.
"""

import contextlib
import functools
import http.client
import itertools
import os
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from headrace.bench.blog import Way, blog
from headrace.bench.peer import HEADRACE
from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Sample, Scenario
from headrace.bench.wait import connection

DELAY: Final = 0.58  # seconds that the data service takes, so that a page takes what it took in the article
ARTICLE: Final = {"direct": 590.0, "balancer": 737.0, "cache": 447.0}  # milliseconds
VISITS: Final = 12  # for each second of effort, where the data service is slow
QUICK_VISITS: Final = 100  # where it is not
POSTS: Final = 4
WAYS: Final = {
    "direct": (Way(), None),
    "balancer": (Way(balancer=True), 1.05),
    "cache": (Way(balancer=True, cache=True), 0.2),
    "edge": (Way(balancer=True, cache=True, edge=True), 0.2),
}


class Replay:
    """One play for all ways: each page is visited in one way after the other, so that a disturbance hits all alike."""

    def __init__(self, delay: float, visits: int) -> None:
        self._delay = delay
        self._visits = visits
        self._samples: dict[str, Sample] = {}

    def measure(self, name: str, rig: Rig) -> Sample:
        """The median of milliseconds that a page takes this way, of a play in which it was not told yet."""
        if name not in self._samples:
            self._samples = play(rig, self._delay, self._visits * rig.effort.seconds)
        return self._samples.pop(name)


def play(rig: Rig, delay: float, count: int) -> dict[str, Sample]:
    """Visits the list and a post in turn; of each page the first visit, which no cache helps, counts too."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_on(rig.generator.core))
        visitors = {}
        for name, (way, _) in WAYS.items():
            running = stack.enter_context(blog(rig, way, delay))
            paths = itertools.islice(_paths(running.posts[:POSTS]), count)
            visitors[name] = Visitor(stack.enter_context(connection(running.url)), list(paths))
        for number in range(count):
            for visitor in visitors.values():
                visitor.visit(number)
        return {name: visitor.sample() for name, visitor in visitors.items()}


@contextlib.contextmanager
def _on(core: int) -> Iterator[None]:
    """Whoever visits has the core that the servers don't have."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass
class Visitor:
    """Asks for pages on one connection that is kept, as a browser does, and keeps milliseconds of each visit."""

    connection: http.client.HTTPConnection
    paths: Sequence[str]
    taken: list[float] = field(default_factory=list)
    errors: int = 0
    kept: int = 0

    def visit(self, number: int) -> None:
        """One page, from the request to its last byte."""
        began = time.perf_counter()
        self.connection.request("GET", f"/{self.paths[number]}")
        response = self.connection.getresponse()
        page = response.read()
        self.taken.append((time.perf_counter() - began) * 1e3)
        self.errors += response.status != 200
        self.kept += "; hit" in response.getheader("Cache-Status", "") or b'data-source="call"' not in page

    def sample(self) -> Sample:
        """What the visits came to."""
        pages = len(set(self.paths))
        mean = statistics.fmean(self.taken)
        told = f"{len(self.taken)} visits to {pages} pages, {self.kept} from a cache, mean {mean:.1f} ms"
        return Sample(statistics.median(self.taken), self.errors, told)


def _paths(posts: Iterable[str]) -> Iterator[str]:
    for post in itertools.cycle(posts):
        yield ""
        yield post


def _scenario(name: str, title: str, delay: float, visits: int, beside: dict[str, float]) -> Scenario:
    played = Replay(delay, visits)
    contestants = tuple(
        Contestant(
            each,
            (HEADRACE.tool,),
            functools.partial(played.measure, each),
            ours=target is not None,
            target=target,
        )
        for each, (_, target) in WAYS.items()
    )
    return Scenario(name, title, "ms a visit", contestants, beside=beside)


REPLAY = (
    _scenario("replay", f"A page of the blog, its data {DELAY * 1e3:.0f} ms away", DELAY, VISITS, ARTICLE),
    _scenario("replay-quick", "A page of the blog, its data at once", 0, QUICK_VISITS, {}),
)
