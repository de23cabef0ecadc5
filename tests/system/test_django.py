"""A Django site with its admin, unmodified, over WSGI and over ASGI: log in, add, edit, static files, large files."""

import os
import re

import httpx
import pytest

from .stack import SITE, Stack


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def stack(site: dict[str, str], tmp_path_factory: pytest.TempPathFactory, request):
    stack = Stack(tmp_path_factory.mktemp("stack"))
    stack.balance(max_body="2 GiB")
    stack.serve(f"mysite.{request.param}:application", workers=2, env=site, cwd=SITE)
    yield stack
    stack.close()


@pytest.fixture
def client(stack: Stack):
    with stack.client(http2=True, follow_redirects=True) as client:
        yield client


def submit(client: httpx.Client, path: str, **values: str) -> httpx.Response:
    """Fills in the form at `path` as a browser would: with the page's token, the page as referrer."""
    page = client.get(path)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]
    origin = f"{page.url.scheme}://{page.url.netloc.decode()}"
    headers = {"Referer": str(page.url), "Origin": origin}
    return client.post(str(page.url), data={"csrfmiddlewaretoken": token, **values}, headers=headers)


def test_django_sees_https_the_name_and_the_client(client: httpx.Client, stack: Stack):
    assert client.get("/about").json() == {"secure": True, "host": f"localhost:{stack.port}", "address": "127.0.0.1"}


def test_the_admins_static_files_are_served(client: httpx.Client):
    page = client.get("/admin/login/").text
    styles = re.findall(r'href="(/static/admin/[^"]+\.css)"', page)
    assert styles
    for style in styles:
        assert client.get(style).headers["content-type"].startswith("text/css")


def test_log_in_add_edit_delete_log_out(client: httpx.Client, site: dict[str, str], request):
    assert "/admin/login/" in str(client.get("/admin/").url)
    assert (
        "Site administration"
        in submit(client, "/admin/login/?next=/admin/", username="ann", password=site["DJANGO_SUPERUSER_PASSWORD"]).text
    )

    name = f"Editors of {request.node.name}"
    added = submit(client, "/admin/auth/group/add/", name=name, _continue="Save and continue editing")
    assert "was added successfully" in added.text
    edited = submit(client, str(added.url), name=f"{name}, renamed", _save="Save")
    assert "was changed successfully" in edited.text
    assert f"{name}, renamed" in client.get("/admin/auth/group/").text
    deleted = submit(client, str(added.url).replace("/change/", "/delete/"), post="yes")
    assert "was deleted successfully" in deleted.text
    assert "Logged out" in submit_log_out(client).text


def submit_log_out(client: httpx.Client) -> httpx.Response:
    page = client.get("/admin/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]
    return client.post("/admin/logout/", data={"csrfmiddlewaretoken": token}, headers={"Referer": str(page.url)})


def test_a_wrong_password_is_refused(client: httpx.Client):
    assert "Please enter the correct username" in submit(client, "/admin/login/", username="ann", password="no").text


def test_a_forms_file_is_taken(client: httpx.Client):
    assert client.post("/form", files={"file": os.urandom(5_000_000)}).json() == {"file": 5_000_000}


def test_a_streaming_response_streams(client: httpx.Client):
    with client.stream("GET", "/download/20000000") as response:
        assert sum(map(len, response.iter_raw())) == 20_000_000
