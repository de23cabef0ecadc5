"""The edge cache stores what is compressed, once for each coding, and compresses no hit."""

from __future__ import annotations

import pytest

from headrace._core import Route

from .compressing import ALL, HTML, PAGE, decode, page, plain
from .edge import App
from .wire import chunked, reply

FRESH = "Cache-Control: max-age=3600"
STALE = "Cache-Control: max-age=60, stale-if-error=0"
ROUTES = [Route("web", cached=True, compressed=True)]
CODINGS = ["zstd", "br", "gzip"]


@pytest.fixture
def app():
    return App()


@pytest.fixture
def edge(start_server, start_balancer, app):
    return start_balancer([start_server(app)], routes=ROUTES)


def was_hit(response) -> bool:
    return "; hit" in response["cache-status"]


@pytest.mark.parametrize("coding", CODINGS)
def test_a_hit_is_what_was_compressed_once(edge, app, coding):
    app.will_give("/", reply(PAGE, HTML, FRESH, 'ETag: "a"'))
    missed = edge.client().get("/", f"Accept-Encoding: {coding}")
    assert decode(coding, missed.body) == PAGE
    hit = edge.client().get("/", f"Accept-Encoding: {coding}")
    assert was_hit(hit)
    assert (hit["content-encoding"], hit["etag"], hit["vary"]) == (coding, 'W/"a"', "Accept-Encoding")
    assert hit.body == missed.body
    assert hit["content-length"] == str(len(missed.body))
    assert edge.engine.counters().compressed[coding] == 1
    assert len(app.requests("/")) == 1


def test_browsers_that_list_other_codings_share_what_they_get(edge, app):
    app.will_give("/", reply(PAGE, HTML, FRESH))
    edge.client().get("/", "Accept-Encoding: gzip, deflate, br, zstd")
    for accepted in ("zstd, gzip", "zstd", "br;q=0.5, zstd;q=0.1", "compress, zstd"):
        assert was_hit(edge.client().get("/", f"Accept-Encoding: {accepted}")), accepted
    assert len(app.requests("/")) == 1


def test_each_coding_is_a_variant_and_nobody_gets_what_is_not_accepted(edge, app):
    for _ in range(4):
        app.will_give("/", reply(PAGE, HTML, FRESH))
    for accepted in ("zstd", "br", "gzip", "identity"):
        for hit in (False, True):
            response = edge.client().get("/", f"Accept-Encoding: {accepted}")
            assert was_hit(response) == hit
            assert response.all("content-encoding") == ([] if accepted == "identity" else [accepted])
            assert plain(response) == PAGE
    without = edge.client().get("/")
    assert was_hit(without)
    assert without.body == PAGE
    assert len(app.requests("/")) == 4


def test_the_memory_limit_counts_compressed_bytes(start_server, start_balancer, app):
    proxy = start_balancer([start_server(app)], routes=ROUTES, options={"cache_object": len(PAGE) // 2})
    app.will_give("/", reply(PAGE, HTML, FRESH))
    app.will_give("/", reply(PAGE, HTML, FRESH))
    proxy.client().get("/", ALL)
    assert was_hit(proxy.client().get("/", ALL))
    assert proxy.balancer.cache_stats()["bytes"] < len(PAGE) // 2
    proxy.client().get()
    assert proxy.balancer.cache_stats()["bytes"] < len(PAGE) // 2, "what came uncompressed is too large"


def test_a_304_freshens_what_was_made_weak(edge, app):
    app.will_give("/", reply(PAGE, HTML, STALE, "Age: 100", 'ETag: "a"', "Vary: Cookie"))
    app.will_give("/", f'HTTP/1.1 304 Not Modified\r\n{FRESH}\r\nETag: "a"\r\nVary: Cookie\r\n\r\n'.encode())
    first = edge.client().get("/", ALL)
    again = edge.client().get("/", ALL)
    assert app.requests("/")[1]["if-none-match"] == 'W/"a"'
    hit = edge.client().get("/", ALL)
    assert was_hit(hit)
    for response in (again, hit):
        assert response.body == first.body
        assert (response["content-encoding"], response["etag"]) == ("zstd", 'W/"a"')
        assert ", ".join(response.all("vary")) == "Cookie, Accept-Encoding"
    assert len(app.requests("/")) == 2


def test_a_304_for_another_tag_freshens_nothing(edge, app):
    app.will_give("/", reply(PAGE, HTML, STALE, "Age: 100", 'ETag: "a"'))
    app.will_give("/", f'HTTP/1.1 304 Not Modified\r\n{FRESH}\r\nETag: "b"\r\n\r\n'.encode())
    app.will_give("/", reply(page(2000), HTML, FRESH, 'ETag: "b"'))
    edge.client().get("/", ALL)
    assert plain(edge.client().get("/", ALL)) == page(2000)
    assert len(app.requests("/")) == 3


def test_who_has_the_weak_tag_gets_304_from_the_store(edge, app):
    app.will_give("/", reply(PAGE, HTML, FRESH, 'ETag: "a"'))
    edge.client().get("/", ALL)
    response = edge.client().get("/", ALL, 'If-None-Match: W/"a"')
    assert (response.status, response["etag"], response["vary"]) == (304, 'W/"a"', "Accept-Encoding")
    assert len(app.requests("/")) == 1


def test_parts_are_parts_of_what_the_server_has(edge, app):
    app.will_give("/", reply(PAGE, HTML, FRESH, 'ETag: "a"'))
    app.will_give("/", reply(PAGE[:10], HTML, f"Content-Range: bytes 0-9/{len(PAGE)}", status="206 Partial Content"))
    app.will_give("/", reply(PAGE, HTML, FRESH, 'ETag: "a"'))
    edge.client().get("/", ALL)
    part = edge.client().get("/", ALL, "Range: bytes=0-9")
    assert (part.status, part.body) == (206, PAGE[:10])
    edge.client().get("/")
    part = edge.client().get("/", ALL, "Range: bytes=5-9")
    assert (part.status, part.body) == (206, PAGE[5:10])
    assert was_hit(part), "what is stored as it is has parts"
    assert len(app.requests("/")) == 3


def test_a_stale_whole_that_is_renewed_for_a_part_stays_as_it_is(edge, app):
    app.will_give("/", reply(PAGE, HTML, STALE, "Age: 100", 'ETag: "a"'))
    app.will_give("/", reply(PAGE, HTML, FRESH, 'ETag: "b"'))
    edge.client().get("/")
    edge.client().get("/", ALL, "Range: bytes=0-9")
    response = edge.client().get("/")
    assert was_hit(response)
    assert "content-encoding" not in response
    assert response.body == PAGE


@pytest.mark.parametrize("purged", [{"key": "http://app.test/"}, {"tag": "posts"}, {"prefix": "http://app.test/"}])
def test_a_purge_takes_all_codings(edge, app, purged):
    for _ in range(6):
        app.will_give("/", reply(PAGE, HTML, FRESH, "Cache-Tag: posts"))
    for _ in range(2):
        for accepted in ("zstd", "br", "identity"):
            assert not was_hit(edge.client().get("/", f"Accept-Encoding: {accepted}"))
        edge.balancer.purge(**purged)
    assert len(app.requests("/")) == 6


def test_a_post_invalidates_all_codings(edge, app):
    for _ in range(2):
        app.will_give("/", reply(PAGE, HTML, FRESH))
    app.will_give("/", reply(b"done"))
    for _ in range(2):
        app.will_give("/", reply(page(3000), HTML, FRESH))
    for accepted in ("zstd", "br"):
        edge.client().get("/", f"Accept-Encoding: {accepted}")
    edge.client().post(b"new")
    for accepted in ("zstd", "br"):
        assert plain(edge.client().get("/", f"Accept-Encoding: {accepted}")) == page(3000)


def test_what_a_server_compresses_itself_is_stored_for_each_that_is_accepted(edge, app):
    coded = b"\x1f\x8b" + PAGE
    given = reply(coded, HTML, FRESH, "Content-Encoding: gzip", "Vary: Accept-Encoding")
    app.will_give("/", given)
    app.will_give("/", reply(PAGE, HTML, FRESH, "Vary: Accept-Encoding"))
    assert edge.client().get("/", "Accept-Encoding: gzip").body == coded
    assert was_hit(edge.client().get("/", "Accept-Encoding: gzip;q=0.5"))
    other = edge.client().get("/", "Accept-Encoding: deflate, zstd")
    assert not was_hit(other)
    assert decode("zstd", other.body) == PAGE


def test_a_server_that_varies_by_codings_and_uses_none_is_helped(edge, app):
    given = reply(PAGE, HTML, FRESH, "Vary: Accept-Encoding")
    for _ in range(2):
        app.will_give("/", given)
    assert decode("zstd", edge.client().get("/", ALL).body) == PAGE
    hit = edge.client().get("/", ALL)
    assert was_hit(hit)
    assert decode("zstd", hit.body) == PAGE
    assert hit["vary"] == "Accept-Encoding"


def test_head_is_answered_from_what_is_compressed(edge, app):
    app.will_give("/", reply(PAGE, HTML, FRESH, 'ETag: "a"'))
    length = len(edge.client().get("/", ALL).body)
    response = edge.client().exchange("HEAD", "/", ALL)
    assert was_hit(response)
    assert (response["content-encoding"], response["content-length"]) == ("zstd", str(length))


def test_a_head_of_the_server_freshens_what_is_compressed(edge, app):
    app.will_give("/", reply(PAGE, HTML, STALE, "Age: 100", 'ETag: "a"'))
    head = f'HTTP/1.1 200 OK\r\n{HTML}\r\n{FRESH}\r\nContent-Length: {len(PAGE)}\r\nETag: "a"\r\n\r\n'
    app.will_give("/", head.encode())
    first = edge.client().get("/", ALL)
    edge.client().exchange("HEAD", "/", ALL)
    hit = edge.client().get("/", ALL)
    assert was_hit(hit)
    assert hit.body == first.body


def test_a_broken_response_is_not_stored(edge, app):
    head = f"HTTP/1.1 200 OK\r\n{HTML}\r\n{FRESH}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
    app.will_give("/", head + chunked(PAGE)[:-5] + b"nonsense\r\n")
    app.will_give("/", head + chunked(PAGE))
    assert not edge.client().get("/", ALL).complete
    response = edge.client().get("/", ALL)
    assert not was_hit(response)
    assert plain(response) == PAGE


def test_many_codings_at_once_get_each_their_own(edge, app, in_background):
    accepted = ["zstd", "br", "gzip"] * 6
    for _ in accepted:
        app.will_give("/", reply(PAGE, HTML, FRESH))
    calls = [in_background(edge.client().get, "/", f"Accept-Encoding: {coding}") for coding in accepted]
    for coding, call in zip(accepted, calls, strict=True):
        assert decode(coding, call.result().body) == PAGE
    asked = len(app.requests("/"))
    for coding in CODINGS:
        hit = edge.client().get("/", f"Accept-Encoding: {coding}")
        assert was_hit(hit)
        assert decode(coding, hit.body) == PAGE
    assert len(app.requests("/")) == asked
