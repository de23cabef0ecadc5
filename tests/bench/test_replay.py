import itertools
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from headrace.bench.load import Generator
from headrace.bench.replay import ARTICLE, POSTS, REPLAY, WAYS, Replay, Visitor, play
from headrace.bench.rig import Effort, Rig
from headrace.bench.scenario import Sample
from headrace.bench.wait import connection


def test_each_page_is_read_once_and_then_comes_from_the_cache_that_there_is(setting):
    rig = Rig(setting, Generator(setting.core, setting.folder), 0, Effort(seconds=1, rounds=1))
    samples = play(rig, 0.1, 2 * (POSTS + 1))
    assert samples.keys() == WAYS.keys()
    for way, kept in {"direct": 0, "balancer": 0, "cache": 5, "edge": 5}.items():
        assert samples[way].valid, samples[way]
        assert f"10 visits to 5 pages, {kept} from a cache" in samples[way].note
        assert samples[way].value > 0


def test_a_play_tells_of_each_way_once(monkeypatch):
    plays = itertools.count(1)

    def played(_rig, delay, count):
        number = next(plays)
        return {way: Sample(number * delay * count) for way in WAYS}

    monkeypatch.setattr("headrace.bench.replay.play", played)
    rig = Rig(None, None, 0, Effort(seconds=2, rounds=2))
    replay = Replay(0.5, 10)
    for turn in (1, 2):
        assert [replay.measure(way, rig).value for way in WAYS] == [turn * 10.0] * len(WAYS)


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
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_visit_that_fails_makes_the_figure_invalid(broken):
    with connection(broken) as kept:
        visitor = Visitor(kept, ["posts/a"] * 6)
        for number in range(6):
            visitor.visit(number)
    sample = visitor.sample()
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
