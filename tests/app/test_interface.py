import functools

import pytest

from headrace.app.interface import as_asgi, kind_of
from headrace.app.wsgi import Bridge
from headrace.errors import OperationError


async def coroutine_function(scope, receive, send): ...


def wsgi_function(environ, start_response): ...


def front_function(scope, receive, send): ...


class AsgiObject:
    async def __call__(self, scope, receive, send): ...


class WsgiObject:
    def __call__(self, environ, start_response): ...

    async def startup(self): ...


class AsgiClass:
    def __init__(self, scope, receive, send): ...

    def __await__(self): ...


def factory(settings=None): ...


def anything(*arguments): ...


@pytest.mark.parametrize(
    ("app", "kind"),
    [
        (coroutine_function, "asgi"),
        (front_function, "asgi"),
        (AsgiObject(), "asgi"),
        (AsgiClass, "asgi"),
        (functools.partial(coroutine_function), "asgi"),
        (functools.partial(AsgiObject()), "asgi"),
        (wsgi_function, "wsgi"),
        (WsgiObject(), "wsgi"),
        (functools.partial(wsgi_function), "wsgi"),
        (factory, "factory"),
        (anything, "unknown"),
        (3, "unknown"),
    ],
)
def test_an_app_is_known_by_how_it_is_called(app, kind):
    assert kind_of(app) == kind


def test_frameworks_are_known():
    django = pytest.importorskip("django.core.handlers.wsgi").WSGIHandler
    flask = pytest.importorskip("flask").Flask
    starlette = pytest.importorskip("starlette.applications").Starlette
    assert kind_of(flask("shop")) == "wsgi"
    assert kind_of(starlette()) == "asgi"
    assert kind_of(django.__new__(django)) == "wsgi"


def test_a_wsgi_app_is_bridged_and_an_asgi_app_stays_itself():
    assert isinstance(as_asgi(wsgi_function, "auto", "shop:app"), Bridge)
    assert as_asgi(coroutine_function, "auto", "shop:app") is coroutine_function


def test_what_is_said_counts():
    assert isinstance(as_asgi(anything, "wsgi", "shop:app"), Bridge)
    assert as_asgi(anything, "asgi", "shop:app") is anything


@pytest.mark.parametrize(("app", "hint"), [(3, "can't be called"), (factory, "--factory"), (anything, "--interface")])
def test_what_cant_be_an_app_is_said_with_what_to_do(app, hint):
    with pytest.raises(OperationError, match=hint):
        as_asgi(app, "auto", "shop:app")
