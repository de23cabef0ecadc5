"""An update is seen everywhere: near values of both app servers, the cache service, the pages at the edge."""

import re
import time

from headrace.cache.following import BOUND
from headrace.demo.visit import PROOF, VERSION
from tests.processes import until

PATH = "/posts/two-random-choices"
OLD, NEW = "Two random choices", "Two drawn, one taken"
PAGES = (PATH, "/")


def sources(client, path):
    """Where each app server has the page from, as far as a few reloads show it."""
    pages = [client.get(path).text for _ in range(8)]
    return {(server(page), re.search(r'data-source="(\w+)"', page)[1]) for page in pages}


def server(page):
    return re.search(r'data-worker="(\d)"', page)[1]


def is_at_edge(client, path):
    return "; hit" in client.get(path).headers["cache-status"]


def update(client, title):
    form = client.get(f"{PATH}/edit").text
    fields = {"proof": PROOF.search(form)[1], "version": VERSION.search(form)[1]}
    fields |= {"title": title, "author": "Ada", "summary": "Of two, one.", "body": "Water finds its way."}
    answer = client.post(f"{PATH}/edit", files={name: (None, value) for name, value in fields.items()})
    assert answer.status_code == 303, answer.text


def test_after_an_update_nobody_shows_the_old_text_beyond_the_bound(demo):
    running = demo()
    with running.client() as reloading, running.client(reload=False) as following:
        for path in PAGES:
            until(lambda path=path: is_at_edge(following, path), 30, f"{path} at the edge")
            until(lambda path=path: sources(reloading, path) >= {("0", "near"), ("1", "near")}, 30, f"{path} near both")
        update(reloading, NEW)
        done, workers = time.monotonic(), set()
        while (asked := time.monotonic()) < done + BOUND + 0.5:
            for client in (reloading, following):
                for path in PAGES:
                    page = client.get(path).text
                    assert asked < done + BOUND or OLD not in page, f"{path} after {asked - done:.2f} s"
                    workers |= {server(page)} if NEW in page else set()
        assert workers == {"0", "1"}
        for path in PAGES:
            until(lambda path=path: is_at_edge(following, path), 30, f"{path} at the edge again")
            assert NEW in following.get(path).text


def test_what_is_new_is_at_the_edge_although_app_servers_have_it_near(demo):
    """Reloads that are answered by what is near neither keep their page at the edge nor take away what is there."""
    running = demo()
    with running.client() as reloading, running.client(reload=False) as following:
        until(lambda: is_at_edge(following, PATH), 30, "the post at the edge")
        until(lambda: sources(reloading, PATH) >= {("0", "near"), ("1", "near")}, 30, "the post near both")
        assert is_at_edge(following, PATH)
