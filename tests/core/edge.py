"""Cases for the edge cache: each is a script of requests, with what the app server gives to them.

Time needs no waiting: a response that comes with `Age` is as old as it says.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .wire import reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .app_server import Connection
    from .wire import Message

DATED = "Date: Sun, 06 Nov 1994 08:49:37 GMT"
CHANGED = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"
LONG_AGO = "If-Modified-Since: Sat, 05 Nov 1994 08:49:37 GMT"


@dataclass(frozen=True)
class Step:
    """One request. `gives` are the fields of the app server's response; None: the app server is not asked.

    `gets` is the client's status where that is not the app server's, or 200. The body is the app server's, unless
    `body` says otherwise. `told` are fields of the client's response, `like` the same by regular expressions, for what
    a slow machine may change, `untold` names that it has not; `asked` are fields of the request that the app server
    gets, `unasked` names that it has not.
    """

    gives: tuple[str, ...] | None = None
    sends: tuple[str, ...] = ()
    method: str = "GET"
    status: str = "200 OK"
    content: bytes = b"one"
    gets: int = 0
    body: bytes | None = None
    told: dict[str, str] = field(default_factory=dict)
    like: dict[str, str] = field(default_factory=dict)
    untold: tuple[str, ...] = ()
    asked: dict[str, str] = field(default_factory=dict)
    unasked: tuple[str, ...] = ()


def stores(*gives: str, sends: Sequence[str] = (), **more: object) -> Step:
    """A request that the app server answers with these fields."""
    return Step(gives=gives, sends=tuple(sends), **more)  # type: ignore[arg-type]


def hit(*sends: str, **more: object) -> Step:
    """A request that is answered without the app server."""
    return Step(sends=sends, **{"body": b"one", **more})  # type: ignore[arg-type]


def miss(*sends: str, **more: object) -> Step:
    """A request that the app server answers anew."""
    return Step(gives=(), sends=sends, **{"content": b"two", **more})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Case:
    """What RFC 9111 (or `rfc`) requires in `section`, and the requests that show it."""

    name: str
    section: str
    requirement: str
    steps: tuple[Step, ...]


def case(name: str, section: str, requirement: str, *steps: Step) -> Case:
    return Case(name, section, requirement, steps)


class App:
    """An app server that gives what it is told, by path."""

    def __init__(self) -> None:
        self.given: dict[str, deque[bytes]] = {}
        self.asked: dict[str, list[Message]] = {}

    def will_give(self, path: str, response: bytes) -> None:
        self.given.setdefault(path, deque()).append(response)

    def requests(self, path: str) -> list[Message]:
        return self.asked.setdefault(path, [])

    def __call__(self, connection: Connection) -> None:
        while request := connection.request():
            self.requests(request.target).append(request)
            waiting = self.given.get(request.target)
            connection.send(waiting.popleft() if waiting else reply(b"unexpected", status="418 I'm a teapot"))


def response_of(step: Step) -> bytes:
    """The bytes that the app server sends for a step."""
    bodyless = step.method == "HEAD" or step.status.startswith(("204", "304"))
    content = b"" if bodyless else step.content
    if step.status.startswith(("204", "304")):
        lines = [f"HTTP/1.1 {step.status}", *(step.gives or ()), "", ""]
        return "\r\n".join(lines).encode("latin-1")
    if step.method == "HEAD":
        lines = [f"HTTP/1.1 {step.status}", f"Content-Length: {len(step.content)}", *(step.gives or ()), "", ""]
        return "\r\n".join(lines).encode("latin-1")
    return reply(content, *(step.gives or ()), status=step.status)
