"""What the edge cache does beside the letter of RFC 9111: collapsing, purging, bounds, and nothing where it is off."""

from __future__ import annotations

import threading

import pytest

from headrace._core import Route

from .app_server import Gate
from .edge import App
from .wire import chunked, eventually, reply, request

FRESH = "Cache-Control: max-age=3600"
CACHED = [Route("web", cached=True)]


@pytest.fixture
def app():
    return App()


@pytest.fixture
def edge(start_server, start_balancer, app):
    return start_balancer([start_server(app)], routes=CACHED)


def test_a_route_without_the_cache_stores_nothing(start_server, start_balancer, app):
    proxy = start_balancer([start_server(app)])
    for number in range(2):
        app.will_give("/", reply(b"%d" % number, FRESH))
        response = proxy.client().get()
        assert response.body == b"%d" % number
        assert "cache-status" not in response
    assert proxy.balancer.cache_stats() is None
    assert proxy.balancer.purge(tag="any") == 0


def test_many_requests_for_the_same_are_one_for_the_server(start_server, start_balancer, in_background):
    gate = Gate(reply(b"slow", FRESH))
    server = start_server(gate)
    proxy = start_balancer([server], routes=CACHED)
    first = in_background(proxy.client().get)
    assert eventually(lambda: gate.waiting == 1)
    others = [in_background(proxy.client().get) for _ in range(10)]
    assert eventually(lambda: proxy.engine.counters().cache_collapsed == 10)
    gate.open()
    assert [call.result().body for call in [first, *others]] == [b"slow"] * 11
    assert len(server.requests) == 1
    assert others[0].result()["cache-status"].startswith("headrace; fwd=uri-miss; collapsed; ttl=")


def test_waiting_for_another_ones_response_is_bounded(start_server, start_balancer, in_background):
    gate = Gate(reply(b"slow", FRESH))
    server = start_server(gate)
    proxy = start_balancer([server], routes=CACHED, options={"cache_wait": 0.1})
    calls = [in_background(proxy.client().get) for _ in range(2)]
    assert eventually(lambda: gate.waiting == 2)
    gate.open()
    assert [call.result().body for call in calls] == [b"slow"] * 2
    told = sorted(call.result()["cache-status"].partition("; ttl=")[0] for call in calls)
    assert told == ["headrace; fwd=uri-miss; collapsed=?0", "headrace; fwd=uri-miss; stored"]


def test_what_cannot_be_stored_is_not_waited_for(start_server, start_balancer, in_background):
    gate = Gate(reply(b"mine", "Cache-Control: private"))
    server = start_server(gate)
    proxy = start_balancer([server], routes=CACHED)
    first = in_background(proxy.client().get)
    assert eventually(lambda: gate.waiting == 1)
    gate.open()
    first.result()
    gate.close()
    others = [in_background(proxy.client().get) for _ in range(3)]
    assert eventually(lambda: gate.waiting == 3)
    gate.open()
    assert [call.result().body for call in others] == [b"mine"] * 3


def test_a_response_in_chunks_is_stored_whole(edge, app):
    head = f"HTTP/1.1 200 OK\r\n{FRESH}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    pieces = [b"%05d" % number * 4000 for number in range(40)]
    app.will_give("/", head + chunked(*pieces))
    whole = b"".join(pieces)
    assert edge.client().get().body == whole
    hit = edge.client().get()
    assert hit.body == whole
    assert hit["content-length"] == str(len(whole))
    assert len(app.requests("/")) == 1


@pytest.mark.parametrize("framed", [True, False])
def test_what_is_too_large_streams_and_is_not_stored(start_server, start_balancer, app, framed):
    proxy = start_balancer([start_server(app)], routes=CACHED, options={"cache_object": 100_000})
    body = b"x" * 300_000
    head = f"HTTP/1.1 200 OK\r\n{FRESH}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    for _ in range(2):
        app.will_give("/", reply(body, FRESH) if framed else head + chunked(body[:150_000], body[150_000:]))
        assert proxy.client().get().body == body
    assert len(app.requests("/")) == 2
    assert proxy.balancer.cache_stats()["bytes"] < 10_000


def test_what_is_too_large_is_not_held_back(start_server, start_balancer):
    first, rest = b"x" * 150_000, b"y" * 150_000
    arrived = threading.Event()

    def in_two_parts(connection):
        while connection.request():
            connection.send(f"HTTP/1.1 200 OK\r\n{FRESH}\r\nContent-Length: 300000\r\n\r\n".encode() + first)
            arrived.wait(10)
            connection.send(rest)

    proxy = start_balancer([start_server(in_two_parts)], routes=CACHED, options={"cache_object": 200_000})
    client = proxy.client()
    client.send(request("GET", "/"))
    assert client.message().status == 200
    assert client.read(len(first)) == first
    arrived.set()
    assert client.read(len(rest)) == rest


def test_each_line_of_a_repeated_field_is_stored(edge, app):
    app.will_give("/", reply(b"one", FRESH, "X-Odd: 1", "X-Odd: 2"))
    client = edge.client()
    assert [client.get().all("x-odd") for _ in range(2)] == [["1", "2"]] * 2


def test_trailers_are_not_combined_with_fields(edge, app):
    head = f"HTTP/1.1 200 OK\r\n{FRESH}\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    app.will_give("/", head + b"3\r\none\r\n0\r\nX-Sum: 1\r\n\r\n")
    client = edge.client()
    first, second = client.get(), client.get()
    assert (first.body, first.trailers) == (b"one", [("x-sum", "1")])
    assert (second.body, second.trailers) == (b"one", [])
    assert "x-sum" not in second
    assert len(app.requests("/")) == 1


def test_what_caches_before_told_is_kept_before_ours(edge, app):
    app.will_give("/", reply(b"one", FRESH, "Cache-Status: origin; hit"))
    client = edge.client()
    for ours in ("headrace; fwd=uri-miss", "headrace; hit"):
        before, own = client.get().all("cache-status")
        assert before == "origin; hit"
        assert own.startswith(ours)


def test_a_response_that_breaks_off_is_not_stored(start_server, start_balancer):
    def breaks_off_once(connection):
        while connection.request():
            whole = reply(b"0123456789", FRESH)
            connection.send(whole if connection.index else whole[:-5])
            if not connection.index:
                return

    proxy = start_balancer([start_server(breaks_off_once)], routes=CACHED)
    assert not proxy.client().get().complete
    assert proxy.client().get().body == b"0123456789"


def test_memory_is_bounded(start_server, start_balancer, app):
    most = 1_000_000
    proxy = start_balancer([start_server(app)], routes=CACHED, options={"cache_bytes": most})
    client = proxy.client()
    for number in range(200):
        app.will_give(f"/{number}", reply(b"x" * 20_000, FRESH))
        client.get(f"/{number}")
        assert proxy.balancer.cache_stats()["bytes"] <= most
    assert proxy.balancer.cache_stats()["evictions"] > 100


def test_stale_stands_for_a_server_that_cannot_be_reached(start_server, start_balancer, app):
    server = start_server(app)
    proxy = start_balancer([server], routes=CACHED)
    app.will_give("/", reply(b"old", "Cache-Control: max-age=10, stale-if-error=600", "Age: 20"))
    proxy.client().get()
    server.close()
    response = proxy.client().get()
    assert (response.status, response.body) == (200, b"old")
    assert response["cache-status"].startswith("headrace; fwd=stale; ttl=-")
    assert proxy.engine.counters().cache_stale == 1


@pytest.mark.parametrize("directive", ["must-revalidate", "proxy-revalidate", "no-cache"])
def test_what_must_be_asked_about_is_an_error_when_nobody_can_be_asked(start_server, start_balancer, app, directive):
    server = start_server(app)
    proxy = start_balancer([server], routes=CACHED, options={"cache_stale_if_error": 600})
    app.will_give(
        "/", reply(b"old", f"Cache-Control: max-age=10, stale-if-error=600, {directive}", "Age: 20", 'ETag: "a"')
    )
    proxy.client().get()
    server.close()
    assert proxy.client().get().status in {502, 504}


def test_errors_are_covered_where_the_setting_says_so(start_server, start_balancer, app):
    proxy = start_balancer([start_server(app)], routes=CACHED, options={"cache_stale_if_error": 600})
    app.will_give("/", reply(b"old", "Cache-Control: max-age=10", "Age: 20"))
    app.will_give("/", reply(b"down", status="502 Bad Gateway"))
    assert [proxy.client().get().body for _ in range(2)] == [b"old", b"old"]


def test_a_304_that_speaks_of_another_response_is_asked_again(edge, app):
    app.will_give("/", reply(b"one", 'ETag: "a"', "Cache-Control: max-age=10", "Age: 20"))
    app.will_give("/", b'HTTP/1.1 304 Not Modified\r\nETag: "b"\r\n\r\n')
    app.will_give("/", reply(b"two", 'ETag: "b"', FRESH))
    assert [edge.client().get().body for _ in range(3)] == [b"one", b"two", b"two"]
    asked = app.requests("/")
    assert ["if-none-match" in request for request in asked] == [False, True, False]


def test_a_stale_response_is_renewed_beside_its_use(edge, app):
    app.will_give("/", reply(b"one", "Cache-Control: max-age=10, stale-while-revalidate=600", "Age: 20"))
    app.will_give("/", reply(b"two", FRESH))
    client = edge.client()
    assert [client.get().body for _ in range(2)] == [b"one", b"one"]
    assert eventually(lambda: client.get().body == b"two")
    assert len(app.requests("/")) == 2


def test_several_ranges_come_as_parts(edge, app):
    app.will_give("/", reply(b"0123456789", FRESH, "Content-Type: text/plain"))
    client = edge.client()
    client.get()
    response = client.get("/", "Range: bytes=0-1,5-6")
    assert response.status == 206
    kind, boundary = response["content-type"].split("; boundary=")
    assert kind == "multipart/byteranges"
    parts = response.body.split(b"--" + boundary.encode())
    assert parts[1].endswith(b"Content-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n")
    assert parts[2].endswith(b"\r\n\r\n56\r\n")
    assert parts[3] == b"--\r\n"


def stored(edge, app, path, *fields):
    app.will_give(path, reply(b"one", FRESH, *fields))
    assert edge.client().get(path).body == b"one"


def is_stored(edge, app, path):
    before = len(app.requests(path))
    app.given[path] = type(app.given[path])([reply(b"two", FRESH)])
    edge.client().get(path)
    return len(app.requests(path)) == before


def test_a_change_invalidates_what_it_names_of_the_same_origin(edge, app):
    for path in ("/list", "/posts/3", "/other"):
        stored(edge, app, path)
    fields = ["Location: /posts/3", "Content-Location: https://elsewhere.example/other"]
    app.will_give("/list", reply(b"made", *fields, status="201 Created"))
    edge.client().post(b"x", "/list")
    assert [is_stored(edge, app, path) for path in ("/list", "/posts/3", "/other")] == [False, False, True]


def test_a_change_invalidates_groups(edge, app):
    stored(edge, app, "/a", 'Cache-Groups: "posts", "x"')
    stored(edge, app, "/b", 'Cache-Groups: "users"')
    app.will_give("/c", reply(b"done", 'Cache-Group-Invalidation: "posts"'))
    edge.client().post(b"x", "/c")
    assert [is_stored(edge, app, path) for path in ("/a", "/b")] == [False, True]


def test_a_safe_request_invalidates_no_groups(edge, app):
    stored(edge, app, "/a", 'Cache-Groups: "posts"')
    app.will_give("/c", reply(b"done", 'Cache-Group-Invalidation: "posts"'))
    edge.client().get("/c")
    assert is_stored(edge, app, "/a")


@pytest.mark.parametrize("field", ['Cache-Groups: "posts"', "Surrogate-Key: x posts", "Cache-Tag: x, posts"])
def test_a_tag_is_purged(edge, app, field):
    stored(edge, app, "/a", field)
    stored(edge, app, "/b", "Surrogate-Key: others")
    assert edge.balancer.purge(tag="posts") == 1
    assert [is_stored(edge, app, path) for path in ("/a", "/b")] == [False, True]


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("what", [{"tag": "posts"}, {"prefix": "http://app.test/a"}, {"key": "http://app.test/a"}])
def test_what_varies_is_counted_by_its_variants(edge, app, what, soft):
    for value in ("1", "2"):
        app.will_give("/a", reply(b"one", FRESH, "Vary: X-A", "Surrogate-Key: posts"))
        edge.client().get("/a", f"X-A: {value}")
    assert edge.balancer.purge(**what, soft=soft) == 2


def test_what_is_not_stored_is_not_counted(edge, app):
    app.will_give("/a", reply(b"one", "Cache-Control: private"))
    edge.client().get("/a")
    assert edge.balancer.purge(prefix="http://app.test/") == 0


def test_a_change_by_way_of_a_route_without_the_cache_counts(start_server, start_balancer, app):
    routes = [Route("web", path="/api"), *CACHED]
    proxy = start_balancer([start_server(app)], routes=routes)
    stored(proxy, app, "/posts/3")
    stored(proxy, app, "/list", 'Cache-Groups: "posts"')
    app.will_give("/api", reply(b"done", "Content-Location: /posts/3", 'Cache-Group-Invalidation: "posts"'))
    proxy.client().post(b"x", "/api")
    assert [is_stored(proxy, app, path) for path in ("/posts/3", "/list")] == [False, False]


def test_a_prefix_is_purged(edge, app):
    for path in ("/posts/1", "/posts/2", "/users"):
        stored(edge, app, path)
    assert edge.balancer.purge(prefix="http://app.test/posts/") == 2
    assert [is_stored(edge, app, path) for path in ("/posts/1", "/posts/2", "/users")] == [False, False, True]


def test_a_key_is_purged_with_its_variants(edge, app):
    for value in ("1", "2"):
        app.will_give("/", reply(b"one", FRESH, "Vary: X-A"))
        edge.client().get("/", f"X-A: {value}")
    assert edge.balancer.purge(key="http://app.test/") == 2
    app.will_give("/", reply(b"two", FRESH, "Vary: X-A"))
    assert edge.client().get("/", "X-A: 1").body == b"two"


def test_what_is_purged_softly_is_asked_about(edge, app):
    stored(edge, app, "/", 'ETag: "a"', "Surrogate-Key: posts")
    assert edge.balancer.purge(tag="posts", soft=True) == 1
    app.will_give("/", b"HTTP/1.1 304 Not Modified\r\n\r\n")
    assert edge.client().get().body == b"one"
    assert app.requests("/")[-1]["if-none-match"] == '"a"'
    assert edge.engine.counters().cache_revalidated == 1
    # The tags are still those of the first response.
    assert edge.balancer.purge(tag="posts") == 1


def test_a_variant_that_is_purged_softly_is_asked_about(edge, app):
    fields = ("Vary: X-A", 'ETag: "a"', "Surrogate-Key: posts")
    app.will_give("/", reply(b"one", FRESH, *fields))
    edge.client().get("/", "X-A: 1")
    edge.balancer.purge(tag="posts", soft=True)
    app.will_give("/", b"HTTP/1.1 304 Not Modified\r\n\r\n")
    assert edge.client().get("/", "X-A: 1").body == b"one"
    assert app.requests("/")[-1]["if-none-match"] == '"a"'


def test_what_was_asked_for_before_a_purge_is_not_stored_after_it(start_server, start_balancer, in_background):
    gate = Gate(reply(b"old", FRESH, "Surrogate-Key: posts"))
    server = start_server(gate)
    proxy = start_balancer([server], routes=CACHED)
    call = in_background(proxy.client().get)
    assert eventually(lambda: gate.waiting == 1)
    proxy.balancer.purge(tag="posts")
    gate.open()
    assert call.result().body == b"old"
    proxy.client().get()
    assert len(server.requests) == 2


def test_purging_takes_one_thing(edge):
    for what in ({}, {"key": "a", "tag": "b"}):
        with pytest.raises(ValueError, match="one of"):
            edge.balancer.purge(**what)
