"""datasette, unmodified, behind the balancer over HTTPS: browse, query, stream, log in, post."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from .stack import Stack

BOOKS = 20_000


@pytest.fixture(scope="module")
def stack(shared: Stack) -> Stack:
    database = shared.folder / "library.db"
    make_library(database)
    shared.balance()
    env = {"LIBRARY": str(database), "LIBRARY_TOKEN": "root's token"}
    shared.serve("library:app", "--factory", workers=2, env=env)
    return shared


def make_library(path: Path) -> None:
    with closing(sqlite3.connect(path)) as library, library:
        library.execute("create table books (id integer primary key, title text, year integer)")
        books = ((f"Book {number}", 1900 + number % 120) for number in range(BOOKS))
        library.executemany("insert into books (title, year) values (?, ?)", books)


@pytest.fixture
def client(stack: Stack):
    with stack.client(http2=True, follow_redirects=True) as client:
        yield client


def test_pages_and_their_assets_are_read(client: httpx.Client):
    for path, text in (("/", "library"), ("/library", "books"), ("/library/books", "Book 7")):
        page = client.get(path)
        assert page.status_code == 200
        assert page.http_version == "HTTP/2"
        assert text in page.text
    style = re.search(r'href="(/-/static/app.css[^"]*)"', client.get("/").text)[1]
    assert client.get(style).headers["content-type"].startswith("text/css")


def test_a_row_and_a_query_answer_as_json(client: httpx.Client):
    row = client.get("/library/books/7.json?_shape=array").json()[0]
    assert row["title"] == "Book 6"
    query = {"sql": "select count(*) as n from books where year = :year", "year": "1950", "_shape": "array"}
    assert client.get("/library.json", params=query).json() == [{"n": BOOKS // 120 + (BOOKS % 120 > 50)}]


def test_the_next_page_is_linked_and_read(client: httpx.Client):
    first = client.get("/library/books.json?_size=100").json()
    assert client.get(first["next_url"]).json()["rows"][0][0] == 101


def test_all_rows_stream_as_csv(client: httpx.Client):
    with client.stream("GET", "/library/books.csv?_stream=on") as response:
        lines = sum(1 for line in response.iter_lines() if line)
    assert lines == BOOKS + 1


def test_a_visitor_is_refused_and_root_logs_in_and_writes(client: httpx.Client):
    assert client.get("/library/add_book").status_code == 403
    client.get("/-/auth-token", params={"token": "root's token"})
    if client.get("/-/actor.json").json()["actor"] is None:
        # The link is good once for each worker: the first may have been the other one's turn.
        client.get("/-/auth-token", params={"token": "root's token"})
    assert client.get("/-/actor.json").json()["actor"]["id"] == "root"
    token = re.search(r'name="csrftoken" value="([^"]+)"', client.get("/library/add_book").text)[1]
    written = client.post("/library/add_book", data={"title": "Rügen & Öland", "year": "2024", "csrftoken": token})
    assert written.status_code == 200
    found = client.get("/library/books.json", params={"year": "2024", "_shape": "array"}).json()
    assert [book["title"] for book in found] == ["Rügen & Öland"]
