import itertools
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from headrace.bench.blog import Blog
from headrace.bench.load import Generator
from headrace.bench.replay import ARTICLE, POSTS, REPLAY, WAYS, replay, visit
from headrace.bench.rig import Effort, Rig


@pytest.mark.parametrize(("way", "kept"), [("direct", 0), ("balancer", 0), ("cache", 5), ("edge", 5)])
def test_each_page_is_read_once_and_then_comes_from_the_cache_that_there_is(setting, way, kept):
    rig = Rig(setting, Generator(setting.core, setting.folder), 0, Effort(seconds=1, rounds=1))
    sample = replay(WAYS[way][0], 0.1, 2 * (POSTS + 1), rig)
    assert sample.valid, sample
    assert f"10 visits to 5 pages, {kept} from a cache" in sample.note
    assert sample.value > 0


@pytest.fixture
def broken():
    """A blog that fails with every other request."""
    statuses = itertools.cycle([200, 503])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(next(statuses))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield Blog(f"http://127.0.0.1:{server.server_port}/", ("posts/a",))
        server.shutdown()


def test_a_visit_that_fails_makes_the_figure_invalid(broken):
    sample = visit(broken, 6)
    assert sample.errors == 3
    assert not sample.valid


def test_ours_stand_beside_the_article_where_the_data_takes_its_time():
    slow, quick = REPLAY
    assert slow.beside == ARTICLE
    assert not quick.beside
    assert [each.name for each in slow.contestants if not each.ours] == ["direct"]
    assert {each.name: each.target for each in slow.contestants if each.ours} == {
        "balancer": 1.05,
        "cache": 0.2,
        "edge": 0.2,
    }
