from pathlib import Path

import httpx
import pytest

from headrace.demo.visit import VisitError, Visitor

PAGE = '<span class="protocol">HTTP/2</span><a href="/posts/a"><p data-server="127.0.0.1:3000">'


def visitor(respond, servers=1):
    return Visitor(
        httpx.Client(transport=httpx.MockTransport(respond), base_url="https://blog"), servers, Path("log.txt")
    )


def page(**options):
    return httpx.Response(200, text=PAGE, extensions={"http_version": b"HTTP/2"}, **options)


def test_a_list_over_http2_is_well():
    assert visitor(lambda _request: page()).list_posts() == "the list over HTTP/2: 1 posts on its first page"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx.Response(503), "/ was answered with 503"),
        (httpx.Response(200, text=PAGE), "it came over HTTP/1.1"),
        (httpx.Response(200, text="", extensions={"http_version": b"HTTP/2"}), "was not told"),
    ],
)
def test_what_is_wrong_with_the_list_is_told(answer, says):
    with pytest.raises(VisitError, match=says):
        visitor(lambda _request: answer).list_posts()


def test_an_app_server_that_never_answers_is_missed(monkeypatch):
    monkeypatch.setattr("headrace.demo.visit.PATIENCE", 0.05)
    with pytest.raises(VisitError, match=r"of 2 only 127\.0\.0\.1:3000 answered"):
        visitor(lambda _request: page(), servers=2).meet_servers()


def test_an_app_server_that_shows_an_older_post_is_told():
    post = visitor(lambda _request: page())
    with pytest.raises(VisitError, match="older"):
        post._seen("/posts/a", "changed")


def test_a_forged_form_that_is_taken_is_told():
    with pytest.raises(VisitError, match="answered with 200"):
        visitor(lambda _request: page()).forge()


def test_a_log_that_does_not_tell_of_the_visit_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr("headrace.demo.visit.PATIENCE", 0.05)
    client = httpx.Client(transport=httpx.MockTransport(lambda _request: page()), base_url="https://blog")
    with pytest.raises(VisitError, match=r"log\.txt doesn't tell of the visit"):
        Visitor(client, 1, tmp_path / "log.txt").read_log()
