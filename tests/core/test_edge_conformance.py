"""The edge cache does what RFC 9111 requires, over HTTP/1.1 and HTTP/2: `edge_cases`, played on the wire."""

from __future__ import annotations

import re

import pytest

from headrace._core import Route, Tls

from .edge import App, Case, Step, response_of
from .edge_cases import CASES
from .http2 import head
from .wire import eventually


@pytest.fixture(scope="module")
def app():
    return App()


@pytest.fixture(scope="module")
def edge(module_balancer, app, authority, localhost):
    """A balancer with the cache, in front of what the cases script."""
    proxy, _ = module_balancer(app, tls=Tls([localhost.pair]), routes=[Route("web", cached=True)])
    return proxy


def over_http1(edge, authority, step: Step, path: str):
    client = edge.client(tls=authority.client_context("http/1.1"))
    return client.exchange(step.method, path, *step.sends)


def over_http2(edge, authority, step: Step, path: str):
    fields = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in step.sends)]
    return edge.http2().exchange(head(step.method, path, *fields))


@pytest.mark.parametrize("speak", [over_http1, over_http2], ids=["http1", "http2"])
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_rfc9111(edge, authority, app, case: Case, speak):
    path = f"/{case.name}-{speak.__name__}"
    for step in case.steps:
        play(edge, authority, app, step, path, speak)


def play(edge, authority, app: App, step: Step, path: str, speak) -> None:
    before = len(app.requests(path))
    if step.gives is not None:
        app.will_give(path, response_of(step))
    response = speak(edge, authority, step, path)
    if step.gives is None:
        assert len(app.requests(path)) == before, "the app server was asked"
    else:
        assert eventually(lambda: len(app.requests(path)) == before + 1), "the app server was not asked once"
        asked = app.requests(path)[-1]
        for name, value in step.asked.items():
            assert asked[name] == value
        assert not [name for name in step.unasked if name in asked]
    assert response.status == (step.gets or (200 if step.gives is None else int(step.status[:3])))
    body = step.body if step.body is not None else (None if step.gives is None else step.content)
    if body is not None and step.method != "HEAD":
        assert bytes(response.body) == body
    for name, value in step.told.items():
        assert response[name] == value
    for name, pattern in step.like.items():
        assert re.fullmatch(pattern, response[name]), response[name]
    assert not [name for name in step.untold if name in response]


def test_cases_have_names_of_their_own():
    assert len({case.name for case in CASES}) == len(CASES)
