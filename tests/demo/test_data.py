import asyncio
import time
from dataclasses import replace

import httpx
import pytest

from headrace.demo.data import app, service
from headrace.demo.post import Draft, Post
from headrace.demo.store import Picture, Store
from headrace.errors import UsageError

from .samples import DRAFT, PNG, SVG


async def test_a_post_is_created_read_changed_and_deleted(data):
    created = await data.post("/posts", json=DRAFT)
    assert created.status_code == 201
    assert created.headers["location"] == "/posts/on-mills"
    read = await data.get("/posts/on-mills")
    assert read.json() == created.json()
    assert read.headers["etag"] == '"1"'
    changed = await data.put("/posts/on-mills", json={**DRAFT, "title": "New"}, headers={"If-Match": '"1"'})
    assert changed.json()["version"] == 2
    assert changed.json()["title"] == "New"
    assert (await data.delete("/posts/on-mills", headers={"If-Match": '"2"'})).status_code == 204
    assert (await data.get("/posts/on-mills")).status_code == 404


async def test_the_list_has_pages_newest_first_without_bodies(data, store):
    for day in range(1, 6):
        store.create(Draft(f"Day {day}", "Ada", "", "Text"), f"2026-01-0{day}")
    first = (await data.get("/posts?size=2")).json()
    assert [post["slug"] for post in first["posts"]] == ["day-5", "day-4"]
    assert (first["page"], first["pages"], first["total"]) == (1, 3, 5)
    assert "body" not in first["posts"][0]
    assert [post["slug"] for post in (await data.get("/posts?size=2&page=3")).json()["posts"]] == ["day-1"]
    assert (await data.get("/posts?size=2&page=4")).json()["posts"] == []


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=x", "page=", "size=101", "size=0", "page=99999999999", "page=²"]
)
async def test_a_page_that_cannot_be_is_told(data, query):
    response = await data.get(f"/posts?{query}")
    assert response.status_code == 400
    assert "must be a number from 1 to" in response.json()["message"]


@pytest.mark.parametrize("path", ["/posts", "/posts/on-mills"])
async def test_what_the_client_has_is_not_sent_again_until_it_changes(data, post, path):
    etag = (await data.get(path)).headers["etag"]
    again = await data.get(path, headers={"If-None-Match": f'W/{etag}, "other"'})
    assert again.status_code == 304
    assert again.content == b""
    await data.put("/posts/on-mills", json={**DRAFT, "title": "New"}, headers={"If-Match": '"1"'})
    assert (await data.get(path, headers={"If-None-Match": etag})).status_code == 200


async def test_of_two_changes_of_one_version_the_second_is_refused(data, post):
    async def change(number):
        return await data.put("/posts/on-mills", json={**DRAFT, "body": str(number)}, headers={"If-Match": '"1"'})

    codes = sorted(response.status_code for response in await asyncio.gather(*map(change, range(8))))
    assert codes == [200] + [412] * 7
    assert (await data.get("/posts/on-mills")).json()["version"] == 2


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_change_must_name_its_version(data, post, method):
    response = await data.request(method, "/posts/on-mills", json=DRAFT)
    assert response.status_code == 428
    assert 'If-Match: "1"' in response.json()["message"]


@pytest.mark.parametrize("match", ["*", "1", '"x"', '"-1"', '"99999999999999999999"', 'W/"1"'])
async def test_a_version_that_is_none_changes_nothing(data, post, match):
    response = await data.delete("/posts/on-mills", headers={"If-Match": match})
    assert response.status_code == 412
    assert response.json()["error"] == "version_changed"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_what_is_not_there_is_told(data, method):
    response = await data.request(method, "/posts/nothing", json=DRAFT, headers={"If-Match": '"1"'})
    assert response.status_code == 404
    assert response.json()["error"] == "not_found"


async def test_wrong_fields_are_told_by_field(data):
    response = await data.post("/posts", json={"title": "x" * 200, "body": 3})
    assert response.status_code == 422
    assert set(response.json()["fields"]) == {"title", "author", "body"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b"\xff", b"[" * 100_000])
async def test_what_is_no_json_object_is_told(data, body):
    response = await data.post("/posts", content=body)
    assert response.status_code == 400
    assert response.json()["error"] == "bad_request"


async def test_too_much_is_refused(data):
    response = await data.post("/pictures", content=PNG + bytes(4 << 20))
    assert response.status_code == 413


async def test_a_wrong_method_is_told_the_right_ones(data):
    response = await data.patch("/posts/on-mills")
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD", "PUT", "DELETE"}


async def test_posts_of_one_title_get_addresses_of_their_own(data):
    posts = await asyncio.gather(*(data.post("/posts", json=DRAFT) for _ in range(4)))
    assert sorted(post.json()["slug"] for post in posts) == ["on-mills", "on-mills-2", "on-mills-3", "on-mills-4"]


async def test_a_picture_is_named_after_its_content_and_may_be_kept(data):
    created = await data.post("/pictures", content=PNG)
    assert created.status_code == 201
    assert (await data.post("/pictures", content=PNG)).json() == created.json()
    shown = await data.get(created.headers["location"])
    assert shown.content == PNG
    assert shown.headers["content-type"] == "image/png"
    assert "max-age" in shown.headers["cache-control"]
    assert shown.headers["x-content-type-options"] == "nosniff"
    again = await data.get(created.headers["location"], headers={"If-None-Match": shown.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("content", [b"", SVG, b"<html>"])
async def test_what_is_no_picture_is_refused(data, content):
    assert (await data.post("/pictures", content=content)).status_code == 415


async def test_a_database_that_is_gone_is_told(data, tmp_path):
    (tmp_path / "demo" / "blog.db").write_bytes(b"")
    for extra in ("blog.db-wal", "blog.db-shm"):
        (tmp_path / "demo" / extra).unlink(missing_ok=True)
    response = await data.get("/posts")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.json()["error"] == "database_away"


def test_posts_are_brought_in_once_and_changes_stay(store):
    posts = [Post(key, 1, "2026-01-01", Draft(key, "Ada", "", "Text")) for key in ("a", "b", "c")]
    assert store.bring_in(posts[:2]) == 2
    store.update("a", 1, Draft("changed", "Ada", "", "Text"))
    store.delete("b", 1)
    assert store.bring_in(posts) == 1
    assert store.get("a").draft.title == "changed"
    assert store.get("b") is None
    assert store.get("c") == posts[2]


def test_another_store_of_the_same_file_sees_the_same(store, post, tmp_path):
    other = Store(tmp_path / "demo" / "blog.db")
    other.keep_picture("a.png", Picture("image/png", b"x"))
    assert other.get(post.slug) == post
    assert store.picture("a.png") == Picture("image/png", b"x")
    assert store.update(post.slug, 1, replace(post.draft, title="B")).version == 2


async def test_it_can_be_as_slow_as_a_database(store):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(service(store, 0.2)), base_url="https://data") as data:
        began = time.monotonic()
        assert (await data.get("/posts")).status_code == 200
    assert time.monotonic() - began >= 0.2


def test_a_delay_that_is_none_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("HEADRACE_DEMO_DATABASE", str(tmp_path / "blog.db"))
    monkeypatch.setenv("HEADRACE_DEMO_DELAY", "long")
    with pytest.raises(UsageError, match="HEADRACE_DEMO_DELAY is 'long'"):
        app()
