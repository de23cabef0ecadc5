"""The edge cache as its users have it: a flag, a verb, a call, a page of metrics."""

import pytest

import headrace
from headrace.errors import OperationError, UsageError
from tests.processes import run


@pytest.fixture
def cached(stack):
    """A balancer with the cache and an app behind it."""
    stack.balance("--cache")
    stack.serve("counting:app")
    return stack


@pytest.fixture
def page(cached):
    with cached.client(http2=True) as client:
        yield lambda: client.get("/").text


def test_purging_by_verb_and_by_call(cached, page, monkeypatch):
    assert [page(), page()] == ["1", "1"]
    at = ("--balancer", cached.admin_url, "--state", str(cached.state))
    result = run("purge", "--tag", "posts", *at, folder=cached.folder)
    assert (result.returncode, result.stdout) == (0, "1 removed\n"), result.stderr
    assert [page(), page()] == ["2", "2"]

    monkeypatch.setenv("HEADRACE_HOME", str(cached.state))
    assert headrace.purge(key=f"{cached.url}/", balancer=cached.admin_url) == 1
    assert headrace.purge(prefix=f"{cached.url}/", balancer=cached.admin_url) == 0
    assert page() == "3"
    with pytest.raises(OperationError, match="whole URLs"):
        headrace.purge(key="/", balancer=cached.admin_url)
    with pytest.raises(OperationError, match="cannot reach"):
        headrace.purge(tag="posts", balancer="https://127.0.0.1:1")


def test_purging_wants_one_thing():
    with pytest.raises(UsageError, match="one of"):
        headrace.purge(key="https://a.example/", tag="posts")


def test_the_metrics_count_hits_and_misses(cached, page):
    for _ in range(3):
        page()
    text = cached.admin.get("/metrics").text
    assert 'headrace_balancer_cache_requests_total{result="hit"} 2.0' in text
    assert 'headrace_balancer_cache_requests_total{result="miss"} 1.0' in text
    assert "headrace_balancer_cache_entries 1.0" in text


def test_a_route_may_be_the_only_one_with_the_cache(stack):
    stack.balance(routes="/kept=web;cache, /=web")
    stack.serve("counting:app", "--service", "web")
    with stack.client() as client:
        pages = [client.get(path).text for path in ("/kept", "/kept", "/", "/")]
    assert pages == ["1", "1", "2", "3"]
