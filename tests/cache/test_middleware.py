"""Whole responses in the cache: which are kept, how they come back, and what is left alone."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from headrace import Cache
from headrace.cache import middleware
from headrace.cache.middleware import CacheMiddleware
from headrace.cache.passing import Passing
from tests.cache.stores import DictCache

PUBLIC = {"Cache-Control": "max-age=60"}


class Site:
    """An app of one response for each call, and a client of it."""

    def __init__(self, cache):
        self.cache = cache
        self.calls = 0
        self.status = 200
        self.headers = dict(PUBLIC)
        self.body = "page"

    async def respond(self, request):
        self.calls += 1
        return PlainTextResponse(f"{self.body} {self.calls}", self.status, self.headers)

    async def ask(self, path="/", method="GET", app=None, **headers):
        app = app or CacheMiddleware(
            Starlette(routes=[Route("/{rest:path}", self.respond, methods=["GET", "POST", "DELETE"])]), cache=self.cache
        )
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://site") as client:
            return await client.request(method, path, headers=names)

    async def texts(self, count=2, **options):
        return [(await self.ask(**options)).text for _ in range(count)]


@pytest.fixture
def site(cache, monkeypatch):
    monkeypatch.setattr(middleware, "Cache", DictCache)
    return Site(cache)


KEPT = ["page 1", "page 1"]
NOT_KEPT = ["page 1", "page 2"]


async def test_a_page_that_may_be_shared_is_kept(site):
    first, second = await site.ask("/a?b=c"), await site.ask("/a?b=c")
    assert (first.text, second.text) == ("page 1", "page 1")
    assert "age" not in first.headers
    assert second.headers["age"] == "0"
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["cache-control"] == "max-age=60"
    assert list(site.cache.backend.entries) == ["page:http://site/a?b=c"]
    assert (await site.ask("/a?b=d")).text == "page 2"


async def test_age_grows_until_the_page_ends(site):
    await site.ask()
    site.cache.backend.passed = 59
    assert (await site.ask()).headers["age"] == "59"
    site.cache.backend.passed = 61
    assert (await site.ask()).text == "page 2"


@pytest.mark.parametrize(
    ("headers", "texts"),
    [
        ({}, NOT_KEPT),
        ({"Cache-Control": "public"}, NOT_KEPT),
        ({"Cache-Control": "max-age=0"}, NOT_KEPT),
        ({"Cache-Control": "max-age=soon"}, NOT_KEPT),
        ({"Cache-Control": "max-age=60, private"}, NOT_KEPT),
        ({"Cache-Control": 'max-age=60, private="x"'}, NOT_KEPT),
        ({"Cache-Control": "max-age=60, no-store"}, NOT_KEPT),
        ({"Cache-Control": "max-age=60, no-cache"}, NOT_KEPT),
        ({"Cache-Control": "max-age=60, s-maxage=0"}, NOT_KEPT),
        ({"Cache-Control": "max-age=0, S-MaxAge=60"}, KEPT),
        ({**PUBLIC, "Set-Cookie": "a=b"}, NOT_KEPT),
        ({**PUBLIC, "Vary": "*"}, NOT_KEPT),
        ({**PUBLIC, "Vary": "Accept"}, KEPT),
    ],
)
async def test_what_a_response_says_of_itself_counts(site, headers, texts):
    site.headers = headers
    assert await site.texts() == texts
    assert not site.cache.backend.leases


@pytest.mark.parametrize(("status", "texts"), [(404, KEPT), (301, KEPT), (500, NOT_KEPT), (206, NOT_KEPT)])
async def test_only_final_answers_are_kept(site, status, texts):
    site.status = status
    assert await site.texts() == texts


@pytest.mark.parametrize(
    "headers", [{"Authorization": "Bearer x"}, {"Range": "bytes=0-1"}, {"Cache_Control": "no-store"}]
)
async def test_requests_that_are_nobody_elses_pass_by(site, headers):
    assert await site.texts(**headers) == NOT_KEPT
    assert not site.cache.backend.entries


async def test_a_reload_asks_the_app_and_keeps_its_answer(site):
    await site.ask()
    assert (await site.ask(Cache_Control="no-cache")).text == "page 2"
    assert (await site.ask()).text == "page 2"


async def test_responses_that_vary_are_kept_apart(site):
    site.headers = {**PUBLIC, "Vary": "Accept-Language"}
    texts = [(await site.ask(Accept_Language=language)).text for language in ("de", "en", "de", "en")]
    assert texts == ["page 1", "page 2", "page 1", "page 2"]


async def test_tags_and_keys_invalidate(site):
    site.headers = {**PUBLIC, "Cache-Tags": "posts, post:3"}
    await site.ask("/posts/3")
    assert site.cache.backend.invalidate(tag="post:3") == 1
    assert (await site.ask("/posts/3")).text == "page 2"
    assert site.cache.backend.invalidate(prefix="page:http://site/posts/") == 1
    assert (await site.ask("/posts/3")).text == "page 3"


async def test_a_page_that_was_invalidated_while_the_app_answered_is_not_kept(site):
    async def respond(request):
        site.cache.backend.invalidate(key="page:http://site/")
        return PlainTextResponse("old", headers=PUBLIC)

    site.respond = respond
    assert (await site.ask()).text == "old"
    assert not site.cache.backend.entries


@pytest.mark.parametrize(("status", "text"), [(200, "page 3"), (303, "page 3"), (400, "page 1")])
async def test_an_unsafe_request_that_succeeds_invalidates_the_page(site, status, text):
    await site.ask("/a")
    site.status = status
    await site.ask("/a", "POST")
    site.status = 200
    assert (await site.ask("/a")).text == text


async def test_an_unsafe_request_invalidates_all_variants(site):
    site.headers = {**PUBLIC, "Vary": "Accept-Language"}
    for language in ("de", "en"):
        await site.ask(Accept_Language=language)
    await site.ask(method="DELETE")
    texts = [(await site.ask(Accept_Language=language)).text for language in ("de", "en")]
    assert texts == ["page 4", "page 5"]


async def test_head_is_answered_from_the_page(site):
    await site.ask(method="HEAD")
    assert not site.cache.backend.entries
    page, head = await site.ask(), await site.ask(method="HEAD")
    assert head.text == ""
    assert head.headers["content-length"] == str(len(page.content))
    assert head.headers["etag"] == page.headers["etag"]
    assert site.calls == 2


async def test_a_validator_that_still_holds_is_answered_with_304(site):
    etag = (await site.ask()).headers["etag"]
    for known in (etag, f'"x", W/{etag}', "*"):
        again = await site.ask(If_None_Match=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
        assert "content-type" not in again.headers
    assert (await site.ask(If_None_Match='"other"')).text == "page 1"


async def test_the_validator_of_the_app_is_kept(site):
    site.headers = {**PUBLIC, "ETag": 'W/"mine"'}
    await site.ask()
    assert (await site.ask()).headers["etag"] == 'W/"mine"'
    assert (await site.ask(If_None_Match='"mine"')).status_code == 304


async def test_a_stale_page_is_given_at_once_and_renewed(site):
    site.headers = {"Cache-Control": "max-age=60, stale-while-revalidate=600"}
    await site.ask()
    site.cache.backend.passed = 61
    assert (await site.ask()).text == "page 1"
    for _ in range(100):
        await asyncio.sleep(0.001)
    assert (await site.ask()).text == "page 2"
    assert site.calls == 2


async def test_a_renewal_that_fails_leaves_the_page_and_is_told(site, caplog):
    site.headers = {"Cache-Control": "max-age=60, stale-while-revalidate=600"}
    await site.ask()
    site.cache.backend.passed = 61

    async def fail(request):
        raise ValueError("no database")

    app = CacheMiddleware(Starlette(routes=[Route("/", fail)]), cache=site.cache)
    for _ in range(3):
        assert (await site.ask(app=app)).text == "page 1"
        await asyncio.sleep(0.01)
    assert caplog.text.count("a page: a value can't be renewed") == 1


async def test_streams_pass_part_by_part(site):
    parts, seen = asyncio.Queue(), []

    async def respond(request):
        async def body():
            while part := await parts.get():
                yield part

        return StreamingResponse(body(), headers=PUBLIC)

    app = CacheMiddleware(Starlette(routes=[Route("/", respond)]), cache=site.cache)

    async def send(message):
        seen.append(message.get("body"))

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    scope["asgi"] = {"version": "3.0", "spec_version": "2.4"}
    task = asyncio.create_task(app(scope, middleware._Nobody(), send))
    for number in range(1, 4):
        parts.put_nowait(b"part")
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(seen) == number + 1
    parts.put_nowait(b"")
    await task
    assert seen == [None, b"part", b"part", b"part", b""]
    assert not site.cache.backend.entries
    assert not site.cache.backend.leases


async def test_a_body_of_known_length_is_kept_however_many_parts_it_has(site):
    async def app(scope, receive, send):
        site.calls += 1
        headers = [(b"Content-Length", b"6"), (b"Cache-Control", b"max-age=60")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in (b"one", b"two"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    app = CacheMiddleware(app, cache=site.cache)
    assert [(await site.ask(app=app)).text for _ in range(2)] == ["onetwo", "onetwo"]
    assert site.calls == 1


async def test_a_large_body_passes(site):
    app = CacheMiddleware(Starlette(routes=[Route("/", site.respond)]), cache=site.cache, max_body=5)
    assert [(await site.ask(app=app)).text for _ in range(2)] == NOT_KEPT
    site.body = ""
    assert [(await site.ask(app=app)).text for _ in range(2)] == [" 3", " 3"]


async def test_an_app_that_fails_leaves_the_key_free(site):
    async def fail(request):
        raise ValueError("no database")

    site.respond = fail
    with pytest.raises(ValueError, match="no database"):
        await site.ask()
    assert not site.cache.backend.leases


class Slow:
    """An app that answers when it is told to, and how many ask it meanwhile."""

    def __init__(self, site, headers, status=200):
        self.site, self.headers, self.status = site, headers, status
        self.asked = 0
        self.gate = asyncio.Event()
        self.app = CacheMiddleware(Starlette(routes=[Route("/", self.respond)]), cache=site.cache, wait=20)

    async def respond(self, request):
        self.asked += 1
        number = self.asked
        await self.gate.wait()
        return PlainTextResponse(f"page {number}", self.status, self.headers)

    def ask(self, count, **headers):
        return [asyncio.create_task(self.site.ask(app=self.app, **headers)) for _ in range(count)]

    async def has_asked(self, count):
        for _ in range(5000):
            if self.asked == count:
                break
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)  # so that one too many would be there
        assert self.asked == count


async def texts(tasks):
    return [response.text for response in await asyncio.gather(*tasks)]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_one_of_those_who_want_a_page_asks_for_all(site, method):
    slow = Slow(site, PUBLIC)
    first = slow.ask(1)
    await slow.has_asked(1)
    others = slow.ask(20, method=method)
    await slow.has_asked(1)
    slow.gate.set()
    assert await texts(first) == ["page 1"]
    assert await texts(others) == ["page 1" if method == "GET" else ""] * 20
    assert slow.asked == 1


async def test_each_variant_is_asked_for_once(site):
    slow = Slow(site, {**PUBLIC, "Vary": "Accept-Language"})
    slow.gate.set()
    await texts(slow.ask(1, Accept_Language="en"))
    slow.gate.clear()
    others = [*slow.ask(5, Accept_Language="de"), *slow.ask(5, Accept_Language="fr")]
    await slow.has_asked(3)
    slow.gate.set()
    assert sorted(await texts(others)) == ["page 2"] * 5 + ["page 3"] * 5


async def test_nobody_waits_for_what_cannot_be_shared(site):
    slow = Slow(site, {})
    slow.gate.set()
    await texts(slow.ask(1))
    slow.gate.clear()
    others = slow.ask(5)
    await slow.has_asked(6)
    slow.gate.set()
    assert len(set(await texts(others))) == 5


async def test_who_waits_in_vain_asks(site):
    slow = Slow(site, {}, status=500)
    waiting = slow.ask(5)
    await slow.has_asked(1)
    slow.gate.set()
    assert len(set(await texts(waiting))) == 5
    assert not site.cache.backend.leases


async def test_who_leaves_while_waiting_is_nobody_elses_loss(site):
    slow = Slow(site, PUBLIC)
    first = slow.ask(1)
    await slow.has_asked(1)
    others = slow.ask(5)
    await slow.has_asked(1)
    others[0].cancel()
    slow.gate.set()
    assert await texts([*first, *others[1:]]) == ["page 1"] * 5


async def test_waiting_is_bounded(site):
    slow = Slow(site, PUBLIC)
    slow.app = CacheMiddleware(Starlette(routes=[Route("/", slow.respond)]), cache=site.cache, wait=0.05)
    waiting = slow.ask(3)
    await slow.has_asked(3)
    slow.gate.set()
    await texts(waiting)


async def test_a_variant_that_was_invalidated_while_the_app_answered_is_not_kept(site):
    async def respond(request):
        site.cache.backend.invalidate(key="page:http://site/")
        return PlainTextResponse("old", headers={**PUBLIC, "Vary": "Accept-Language"})

    site.respond = respond
    assert (await site.ask()).text == "old"
    assert not site.cache.backend.entries


def test_what_passes_is_remembered_for_a_while_and_within_bounds():
    now = [0.0]
    passing = Passing(clock=lambda: now[0])
    passing.add("a")
    now[0] = 9.9
    assert "a" in passing
    assert "b" not in passing
    for number in range(5000):
        passing.add(str(number))
    assert "a" not in passing
    assert "4999" in passing
    now[0] = 20
    assert "4999" not in passing


async def test_a_cache_that_is_away_leaves_the_app(site):
    site.cache.backend.away = True
    assert await site.texts() == NOT_KEPT


async def test_what_is_no_page_counts_as_not_there(site):
    for data in (b"", b"[", b"3", b"x\ny"):
        site.cache.backend.set("page:http://site/", data, ttl=60)
        assert (await site.ask()).status_code == 200


async def test_other_protocols_pass_by(site):
    scopes = []

    async def app(scope, receive, send):
        scopes.append(scope["type"])

    for kind in ("websocket", "lifespan"):
        await CacheMiddleware(app, cache=site.cache)({"type": kind}, None, None)
    assert scopes == ["websocket", "lifespan"]


async def test_it_is_a_middleware_of_starlette(site):
    async def empty(request):
        return Response(status_code=204, headers=PUBLIC)

    app = Starlette(
        routes=[Route("/", site.respond), Route("/empty", empty)],
        middleware=[Middleware(CacheMiddleware, cache=site.cache)],
    )
    assert [(await site.ask(app=app)).text for _ in range(2)] == KEPT
    for _ in range(2):
        assert (await site.ask("/empty", app=app)).status_code == 204


@pytest.mark.parametrize("url", ["memory://", "disk://{folder}"])
async def test_it_works_over_the_caches_that_there_are(url, tmp_path):
    async with Cache(url.format(folder=tmp_path), timeout=10) as cache:
        site = Site(cache)
        site.headers = {**PUBLIC, "Vary": "Accept-Language", "Cache-Tags": "posts"}
        texts = [(await site.ask(Accept_Language=language)).text for language in ("de", "en", "de", "en")]
        assert texts == ["page 1", "page 2", "page 1", "page 2"]
        await cache.ainvalidate(tag="posts")
        assert (await site.ask(Accept_Language="de")).text == "page 3"
