import http.server
import json
import threading

import pytest

from headrace.bench.ingest.bodies import PAYLOADS
from headrace.bench.ingest.posting import Posted, _percentile, post, post_at_rate, post_count
from headrace.bench.load import Generator
from headrace.bench.tools import H2LOAD, WRK
from headrace.errors import OperationError


class Taker(http.server.ThreadingHTTPServer):
    """Takes collections and remembers their tokens' payloads."""

    def __init__(self):
        self.bodies = []
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.headers["Content-Type"] == "application/json"
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def taker():
    with Taker() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def generator(setting):
    return Generator(setting.core, setting.folder)


def test_wrk_posts_different_collections(taker, generator, need):
    need(WRK)
    done = post(generator, taker.url, 1, connections=2)
    assert done.errors == 0
    # Those under way at the end are not counted.
    assert 0 < done.requests <= len(taker.bodies) <= done.requests + 2
    assert 0 < done.p50 <= done.p99
    assert {len(json.loads(body)["data"]) for body in taker.bodies} == {PAYLOADS}
    assert len(set(taker.bodies)) > 1


def test_a_pause_slows_each_connection(taker, generator, need):
    need(WRK)
    done = post(generator, taker.url, 1, connections=2, pause=100)
    assert done.requests <= 2 * 11


def test_h2load_posts_a_number_of_collections(taker, generator, need):
    need(H2LOAD)
    done = post_count(generator, taker.url, 100, 60)
    assert (done.requests, done.errors) == (100, 0)
    assert len(taker.bodies) == 100
    assert len(set(taker.bodies)) == 1


def test_h2load_posts_at_a_rate(taker, generator, need):
    need(H2LOAD)
    done = post_at_rate(generator, taker.url, 1, 100, 4)
    assert 0 < len(done.durations) <= 110
    assert done.errors == 0


def test_the_note_tells_rate_and_waits():
    note = Posted(100_000, 0, 2, 900.0, 4200.0).note()
    assert note == "3.00 M POST/min, answered in 0.9 ms, 99th percentile 4.2 ms"


@pytest.mark.parametrize(("text", "microseconds"), [("95.00us", 95), ("3.90ms", 3900), ("1.02s", 1_020_000)])
def test_percentiles_of_wrk_are_read_in_any_unit(text, microseconds):
    assert _percentile(f"  Latency Distribution\n     50%    1.00ms\n     99%   {text}\n", 99) == microseconds


def test_a_report_without_percentiles_is_an_error():
    with pytest.raises(OperationError, match="99 %"):
        _percentile("unable to connect", 99)
