"""Visits to a blog, one after the other, straight at an app server and in three ways through the balancer.

An article measured such a page before and after a balancer and a cache were put in place; its figures stand beside.
"""

import functools
import itertools
import statistics
import time
from collections.abc import Iterable, Iterator
from typing import Final

from headrace.bench.blog import Blog, Way, blog
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


def replay(way: Way, delay: float, visits: int, rig: Rig) -> Sample:
    """The median of milliseconds that a page takes; of each page the first visit, which no cache helps, counts too."""
    with blog(rig, way, delay) as running:
        return visit(running, visits * rig.effort.seconds)


def visit(running: Blog, count: int) -> Sample:
    """Asks for the list and a post in turn, on one connection that is kept, as a browser does."""
    paths = list(itertools.islice(_paths(running.posts[:POSTS]), count))
    taken, kept, errors = [], 0, 0
    with connection(running.url) as visitor:
        for path in paths:
            began = time.perf_counter()
            visitor.request("GET", f"/{path}")
            response = visitor.getresponse()
            page = response.read()
            taken.append((time.perf_counter() - began) * 1e3)
            errors += response.status != 200
            kept += "; hit" in response.getheader("Cache-Status", "") or b'data-source="call"' not in page
    told = f"{count} visits to {len(set(paths))} pages, {kept} from a cache, mean {statistics.fmean(taken):.1f} ms"
    return Sample(statistics.median(taken), errors, told)


def _paths(posts: Iterable[str]) -> Iterator[str]:
    for post in itertools.cycle(posts):
        yield ""
        yield post


def _scenario(name: str, title: str, delay: float, visits: int, beside: dict[str, float]) -> Scenario:
    contestants = tuple(
        Contestant(
            each,
            (HEADRACE.tool,),
            functools.partial(replay, way, delay, visits),
            ours=target is not None,
            target=target,
        )
        for each, (way, target) in WAYS.items()
    )
    return Scenario(name, title, "ms a visit", contestants, beside=beside)


REPLAY = (
    _scenario("replay", f"A page of the blog, its data {DELAY * 1e3:.0f} ms away", DELAY, VISITS, ARTICLE),
    _scenario("replay-quick", "A page of the blog, its data at once", 0, QUICK_VISITS, {}),
)
