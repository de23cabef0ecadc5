"""Tells ASGI apps from WSGI apps by how they want to be called."""

import functools
import inspect
from collections.abc import Callable
from typing import Literal, cast

from headrace.app.asgi import Application
from headrace.app.wsgi import Bridge
from headrace.errors import OperationError

Interface = Literal["auto", "asgi", "wsgi"]


def as_asgi(app: object, interface: Interface, name: str) -> Application:
    """The app as ASGI; a WSGI app is put behind a bridge with threads of its own.

    Raises `OperationError` when it can't be called as `interface` says, or nobody can tell how it is called.
    """
    if not callable(app):
        hint = "name the app, or the function that makes it with --factory"
        raise OperationError(f"{name} is of type {type(app).__name__} and can't be called", hint=hint)
    kind = interface if interface != "auto" else kind_of(app)
    if kind == "wsgi":
        return Bridge(app)
    if kind == "asgi":
        return cast("Application", app)
    if kind == "factory":
        raise OperationError(f"{name} takes no arguments, so it is no app", hint="if it makes the app, add --factory")
    raise OperationError(f"can't tell whether {name} is ASGI or WSGI", hint="say it: --interface asgi or wsgi")


def kind_of(app: object) -> Literal["asgi", "wsgi", "factory", "unknown"]:
    """By coroutines and by the number of arguments: (scope, receive, send) or (environ, start_response)."""
    while isinstance(app, functools.partial):
        app = app.func
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(getattr(app, "__call__", None)):  # noqa: B004
        return "asgi"
    if not callable(app):
        return "unknown"
    if _takes(app, 3):
        return "asgi"
    if _takes(app, 2):
        return "wsgi"
    return "factory" if _takes(app, 0) else "unknown"


def _takes(app: Callable[..., object], count: int) -> bool:
    """Whether it can be called with so many arguments; `*args` takes any number and so tells nothing."""
    try:
        signature = inspect.signature(app)
        signature.bind(*range(count))
    except (TypeError, ValueError):
        return False
    return not any(parameter.kind is parameter.VAR_POSITIONAL for parameter in signature.parameters.values())
