"""The cache is killed while visitors come: nobody sees an error, and it is used again when it is back."""

import os
import threading
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

import headrace
from tests.app.serving import Serve
from tests.processes import until

from .cache_process import TOKEN, cache_process

VISITORS, PAGES = 8, 20
ROOT = os.pathsep.join([str(Path(headrace.__file__).parents[1]), str(Path(__file__).parents[2])])


@pytest.fixture
def serve(tmp_path):
    """Starts the app with its cache at a URL; its own."""
    started = []

    def start(cache):
        own = {"HEADRACE_CACHE_URL": cache, "HEADRACE_CACHE_TOKEN": TOKEN, "PYTHONPATH": ROOT}
        arguments = ("tests.cache.visited_app:app", "--plain", "--workers", "2")
        started.append(Serve(arguments, tmp_path, tmp_path, "app", own))
        started[-1].wait_for_line("urls")
        return started[-1].urls

    yield start
    for process in started:
        process.kill()


class Crowd:
    """Visitors of all app servers, each asking for one page after the other, and what they saw."""

    def __init__(self, urls):
        self.wrong, self.sources, self._left = [], Counter(), threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(urls[at % len(urls)],)) for at in range(VISITORS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._left.set()
        for thread in self._threads:
            thread.join()

    def sees(self, source, pages=20):
        """Waits until so many more pages have come from `source`."""
        wanted = self.sources[source] + pages
        until(lambda: self.wrong or self.sources[source] >= wanted, 60, f"pages from {source}")

    def _visit(self, url):
        at = 0
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
            while not self._left.is_set():
                at += 1
                try:
                    if at % 50 == 0:
                        client.post("/change").raise_for_status()
                    answer = client.get(f"/{at % PAGES}").raise_for_status().json()
                    assert answer["value"] == (at % PAGES) ** 2
                    self.sources[answer["source"]] += 1
                except (httpx.HTTPError, AssertionError) as error:
                    self.wrong.append(repr(error))


def test_no_visitor_sees_that_the_cache_is_killed(serve, tmp_path):
    with cache_process(tmp_path / "first") as cache:
        urls, address = serve(cache.url), urlsplit(cache.url).netloc
        with Crowd(urls) as crowd:
            crowd.sees("near")
            crowd.sees("service")
            cache.kill()
            crowd.sees("call", 150)
            with cache_process(tmp_path / "second", address):
                crowd.sees("service")
                crowd.sees("near")
    assert crowd.wrong == []
