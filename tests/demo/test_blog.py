import re

import httpx
import pytest

from headrace.demo.blog import blog
from headrace.demo.client import DataClient
from headrace.demo.post import Draft

from .samples import DRAFT, PNG


def fields_of(page):
    """The hidden fields of a form."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))


async def send(visitor, action, texts, *, form=None, upload=None):
    """Fills a form and sends it as a browser does."""
    page = await visitor.get(form or action)
    files = {name: (None, text) for name, text in {**fields_of(page), **texts}.items()}
    if upload is not None:
        files["upload"] = ("picture.png", upload, "image/png")
    return await visitor.post(action, files=files)


TEXTS = {name: DRAFT[name] for name in ("title", "author", "summary", "body")}


async def test_the_list_shows_posts_and_says_who_answers(visitor, post, monkeypatch):
    monkeypatch.setenv("HEADRACE_SERVER_ADDRESS", "127.0.0.1:3001")
    monkeypatch.setenv("HEADRACE_WORKER", "1")
    page = await visitor.get("/", headers={"Via": "2.0 headrace", "X-Request-Id": "r<1>"})
    assert page.status_code == 200
    assert '<a href="/posts/on-mills">On mills</a>' in page.text
    assert 'data-server="127.0.0.1:3001" data-worker="1"' in page.text
    assert ">HTTP/2</span>" in page.text
    assert "<code>r&lt;1&gt;</code>" in page.text


@pytest.mark.parametrize(
    ("via", "shown"), [("1.1 headrace", "HTTP/1.1"), ("HTTP/2.0 x, 1.1 y", "HTTP/2"), ("", "HTTP/1.1")]
)
async def test_the_protocol_is_the_browsers(visitor, via, shown):
    assert f">{shown}</span>" in (await visitor.get("/", headers={"Via": via})).text


async def test_pages_may_not_be_kept_framed_or_scripted(visitor, post):
    headers = (await visitor.get("/posts/on-mills")).headers
    assert headers["cache-control"] == "private, no-cache"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


async def test_the_list_has_pages(visitor, store):
    for day in range(10, 20):
        store.create(Draft(f"Day {day}", "Ada", "", "Text"), f"2026-01-{day}")
    first, second = await visitor.get("/"), await visitor.get("/?page=2")
    assert first.text.count("<article") == 7
    assert second.text.count("<article") == 3
    assert 'rel="next"' in first.text
    assert 'rel="prev" href="/"' in second.text


@pytest.mark.parametrize("page", ["0", "-1", "x", "2", "99999999999999999999", "²"])
async def test_a_page_that_is_not_there_is_404(visitor, post, page):
    assert (await visitor.get(f"/?page={page}")).status_code == 404


async def test_an_empty_blog_invites(visitor):
    assert "Write the first" in (await visitor.get("/")).text


async def test_markdown_is_rendered_and_html_is_not(visitor, store):
    body = "# H\n\n*e* <script>alert(1)</script> [x](javascript:alert(1)) ![p](/pictures/a.png)\n\n|a|b|\n|-|-|\n|1|2|"
    store.create(Draft("<b>T</b>", '"><i>', "<s>", body), "2026-01-01")
    page = await visitor.get("/posts/b-t-b")
    assert "<em>e</em>" in page.text
    assert "<td>1</td>" in page.text
    assert '<img src="/pictures/a.png" alt="p"' in page.text
    for evil in ("<script", 'href="javascript', "<b>", "<i>", "<s>"):
        assert evil not in page.text
        assert evil not in (await visitor.get("/")).text


@pytest.mark.parametrize("path", ["/posts/nothing", "/posts/nothing/edit", "/pictures/nothing.png", "/static/x", "/x"])
async def test_what_is_not_there_is_a_page_too(visitor, path):
    page = await visitor.get(path)
    assert page.status_code == 404
    assert "Nothing here" in page.text


async def test_a_post_is_written_edited_and_deleted_through_forms(visitor):
    written = await send(visitor, "/new", TEXTS)
    assert written.status_code == 303
    assert written.headers["location"] == "/posts/on-mills"
    edited = await send(visitor, "/posts/on-mills/edit", {**TEXTS, "body": "They **stop**."})
    assert edited.status_code == 303
    assert "<strong>stop</strong>" in (await visitor.get("/posts/on-mills")).text
    deleted = await send(visitor, "/posts/on-mills/delete", {}, form="/posts/on-mills/edit")
    assert deleted.status_code == 303
    assert deleted.headers["location"] == "/"
    assert (await visitor.get("/posts/on-mills")).status_code == 404


async def test_the_form_shows_what_is_stored(visitor, post):
    page = await visitor.get("/posts/on-mills/edit")
    assert 'value="On mills"' in page.text
    assert ">\nThey *turn*.</textarea>" in page.text
    assert fields_of(page)["version"] == "1"


async def test_wrong_fields_are_marked_and_nothing_typed_is_lost(visitor):
    page = await send(visitor, "/new", {"title": "", "author": "Ada", "body": "Long & careful"})
    assert page.status_code == 422
    assert "It is missing." in page.text
    assert 'aria-invalid="true"' in page.text
    assert "Long &amp; careful</textarea>" in page.text
    assert 'value="Ada"' in page.text


async def test_of_two_who_edit_the_second_sees_the_first_and_may_go_on(visitor, post, store):
    form = await visitor.get("/posts/on-mills/edit")
    store.update("on-mills", 1, Draft("On mills", "Eve", "", "Hers"))
    files = {name: (None, text) for name, text in {**fields_of(form), **TEXTS, "body": "Mine"}.items()}
    page = await visitor.post("/posts/on-mills/edit", files=files)
    assert page.status_code == 409
    assert "<pre>Hers</pre>" in page.text
    assert ">\nMine</textarea>" in page.text
    files = {name: (None, text) for name, text in {**fields_of(page), **TEXTS, "body": "Mine"}.items()}
    assert (await visitor.post("/posts/on-mills/edit", files=files)).status_code == 303
    assert store.get("on-mills").draft.body == "Mine"


async def test_a_post_that_changed_is_not_deleted(visitor, post, store):
    form = await visitor.get("/posts/on-mills/edit")
    store.update("on-mills", 1, Draft("On mills", "Eve", "", "Hers"))
    page = await visitor.post("/posts/on-mills/delete", data=fields_of(form))
    assert page.status_code == 409
    assert store.get("on-mills")


@pytest.mark.parametrize("proof", [None, "", "0" * 32, "é"])
async def test_a_form_of_another_site_changes_nothing(visitor, post, store, proof):
    form = fields_of(await visitor.get("/posts/on-mills/edit"))
    del form["proof"]
    page = await visitor.post("/posts/on-mills/delete", data=form if proof is None else {**form, "proof": proof})
    assert page.status_code == 403
    assert "Go back, reload" in page.text
    assert store.get("on-mills")


async def test_a_form_without_the_cookie_changes_nothing(visitor, post, store):
    form = fields_of(await visitor.get("/posts/on-mills/edit"))
    visitor.cookies.clear()
    assert (await visitor.post("/posts/on-mills/delete", data=form)).status_code == 403
    assert store.get("on-mills")


async def test_the_cookie_is_the_hosts_alone_and_any_app_server_takes_the_form(visitor, post, data):
    form = await visitor.get("/posts/on-mills/edit")
    cookie = form.headers["set-cookie"]
    assert cookie.startswith("__Host-form=")
    for attribute in ("HttpOnly", "Path=/", "SameSite=strict", "Secure"):
        assert attribute in cookie
    another = httpx.ASGITransport(blog(DataClient(data)))
    async with httpx.AsyncClient(transport=another, base_url="https://blog", cookies=visitor.cookies) as client:
        assert (await client.post("/posts/on-mills/delete", data=fields_of(form))).status_code == 303


async def test_an_uploaded_picture_is_shown_and_kept_by_later_edits(visitor, store):
    await send(visitor, "/new", TEXTS, upload=PNG)
    name = store.get("on-mills").draft.picture
    assert f'src="/pictures/{name}"' in (await visitor.get("/posts/on-mills")).text
    shown = await visitor.get(f"/pictures/{name}")
    assert shown.content == PNG
    assert shown.headers["content-type"] == "image/png"
    assert shown.headers["cache-control"] == "public, max-age=86400"
    again = await visitor.get(f"/pictures/{name}", headers={"If-None-Match": shown.headers["etag"]})
    assert again.status_code == 304
    await send(visitor, "/posts/on-mills/edit", TEXTS)
    assert store.get("on-mills").draft.picture == name


@pytest.mark.parametrize(("content", "status"), [(b"<html>", 422), (PNG + bytes(3 << 20), 413)])
async def test_what_is_no_fit_picture_is_told(visitor, store, content, status):
    assert (await send(visitor, "/new", TEXTS, upload=content)).status_code == status
    assert store.get("on-mills") is None


@pytest.mark.parametrize("body", [b"--x\r\nbroken", b""])
async def test_what_is_no_form_is_told(visitor, body):
    page = await visitor.post("/new", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert page.status_code in {400, 403}


async def test_covers_and_style_may_be_kept(visitor, post):
    page = await visitor.get("/")
    cover = await visitor.get("/covers/on-mills.svg")
    assert cover.headers["content-type"] == "image/svg+xml"
    assert cover.text == (await visitor.get("/covers/on-mills.svg")).text
    assert (
        await visitor.get("/covers/on-mills.svg", headers={"If-None-Match": cover.headers["etag"]})
    ).status_code == 304
    style = re.search(r'href="(/static/style.css\?v=\w+)"', page.text)[1]
    assert "immutable" in (await visitor.get(style)).headers["cache-control"]
    assert (await visitor.get("/static/style.css?v=old")).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("answer", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.Response(500)])
@pytest.mark.parametrize("path", ["/", "/posts/on-mills", "/pictures/a.png"])
async def test_a_data_service_that_is_away_is_a_clear_page(answer, path):
    def respond(_request):
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = httpx.AsyncClient(transport=httpx.MockTransport(respond), base_url="https://data")
    transport = httpx.ASGITransport(blog(DataClient(client)))
    async with client, httpx.AsyncClient(transport=transport, base_url="https://blog") as visitor:
        page = await visitor.get(path)
    assert page.status_code == 503
    assert page.headers["retry-after"] == "5"
    assert "out of reach" in page.text


async def test_a_head_request_has_no_body(visitor, post):
    page = await visitor.head("/posts/on-mills")
    assert page.status_code == 200
    assert page.content == b""


async def test_a_wrong_method_is_a_page_too(visitor):
    page = await visitor.put("/")
    assert page.status_code == 405
    assert "Not this way" in page.text
