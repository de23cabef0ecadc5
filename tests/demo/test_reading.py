"""The blog with a cache: what is read again comes from there, and a change is seen at once by all app servers."""

import asyncio
import re

import httpx
import pytest

from headrace.cache.cache import Cache
from headrace.cache.hit import Hit
from headrace.demo.blog import blog
from headrace.demo.client import DataClient
from headrace.demo.edge import Edge

from .test_blog import TEXTS, send


@pytest.fixture
async def servers(data, tmp_path):
    """Browsers at two app servers with one cache."""
    transports = [
        httpx.ASGITransport(blog(DataClient(data), Cache(f"disk://{tmp_path}/cache", timeout=10))) for _ in range(2)
    ]
    async with (
        httpx.AsyncClient(transport=transports[0], base_url="https://blog") as one,
        httpx.AsyncClient(transport=transports[1], base_url="https://blog") as other,
    ):
        yield one, other


async def source(visitor, path):
    """Where the page says it comes from."""
    return re.search(r'data-source="(\w+)"', (await visitor.get(path)).text)[1]


async def kept(visitor, path):
    """Asks until it comes from the cache: it is kept after the first reader has it."""
    for _ in range(1000):
        if await source(visitor, path) == "disk":
            return
        await asyncio.sleep(0.01)
    pytest.fail("it is never kept")


@pytest.mark.parametrize("path", ["/", "/posts/on-mills"])
async def test_what_one_app_server_has_read_the_other_has_from_the_cache(servers, post, path):
    assert await source(servers[0], path) == "call"
    await kept(servers[1], path)
    page = (await servers[1].get(path)).text
    assert "From the cache (disk), kept 0 s ago" in page
    assert "On mills" in page


async def test_a_change_is_seen_at_once_by_all(servers, post):
    one, other = servers
    for path in ("/", "/posts/on-mills"):
        await kept(one, path)
    assert (await send(one, "/posts/on-mills/edit", {**TEXTS, "title": "On wind"})).status_code == 303
    assert "On wind" in (await other.get("/")).text
    assert "On wind" in (await other.get("/posts/on-mills")).text


async def test_a_new_post_is_in_the_list_and_a_deleted_one_is_nowhere(servers, post):
    one, other = servers
    await kept(one, "/")
    assert (await send(one, "/new", {**TEXTS, "title": "On rain"})).status_code == 303
    assert "On rain" in (await other.get("/")).text
    await kept(one, "/posts/on-rain")
    assert (await send(one, "/posts/on-rain/delete", {}, form="/posts/on-rain/edit")).status_code == 303
    assert (await other.get("/posts/on-rain")).status_code == 404
    assert "On rain" not in (await other.get("/")).text


async def test_pages_that_there_are_not_are_not_kept(servers, post):
    for _ in range(2):
        assert (await servers[0].get("/?page=9")).status_code == 404
    assert (await servers[0].get("/posts/none")).status_code == 404


async def test_without_a_cache_all_is_read_from_the_data_service(visitor, post):
    assert [await source(visitor, "/") for _ in range(2)] == ["call", "call"]
    assert "data-source" not in (await visitor.get("/new")).text


async def test_behind_an_edge_pages_may_be_kept_there_and_nowhere_else(data, post):
    application = blog(DataClient(data), edge=Edge("https://127.0.0.1:1"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="https://blog") as visitor:
        for path, group in (("/", '"posts"'), ("/posts/on-mills", '"post:on-mills"')):
            headers = (await visitor.get(path)).headers
            assert headers["cdn-cache-control"] == "max-age=86400"
            assert headers["cache-groups"] == group
            assert headers["cache-control"] == "private, no-cache"
        for path in ("/new", "/posts/on-mills/edit", "/posts/none"):
            assert "cdn-cache-control" not in (await visitor.get(path)).headers


async def test_a_balancer_that_is_away_stops_no_change_and_is_told(data, post, caplog, monkeypatch, tmp_path):
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    application = blog(DataClient(data), edge=Edge("https://127.0.0.1:1"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="https://blog") as visitor:
        assert (await send(visitor, "/posts/on-mills/edit", {**TEXTS, "title": "On wind"})).status_code == 303
        assert "On wind" in (await visitor.get("/posts/on-mills")).text
    assert "the edge cache is not purged of post:on-mills, posts" in caplog.text


def test_what_may_be_a_moment_too_old_is_not_kept_at_the_edge_for_a_day():
    assert Edge("https://127.0.0.1:1").fields(Hit("", 0, stale=False, source="near"), "posts") == {}
