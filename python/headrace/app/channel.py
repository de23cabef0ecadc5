"""What parent and worker say to each other, over a pair of sockets, a line of JSON each.

The parent gives its orders, the worker its news. Either notices the other's end by the end of the line: a worker whose
parent was killed stops as if it were asked to, so that none is ever left behind.
"""

import json
import socket
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from headrace.app.place import Place
from headrace.app.plan import Plan


class NewsKind(str, Enum):
    """What a worker tells of itself."""

    READY = "ready"  # it serves, and a balancer that can be reached picks it
    FAILED = "failed"  # the app's startup went wrong; it answers 503 with the reason
    BROKEN = "broken"  # there is no app to be served, and it ends


@dataclass(frozen=True)
class News:
    """One line from a worker; `detail` is for people."""

    kind: NewsKind
    detail: str = ""

    def as_line(self) -> bytes:
        """One line, for `from_line`."""
        return json.dumps({"kind": self.kind.value, "detail": self.detail}).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "News":
        """What `as_line` wrote."""
        fields = json.loads(line)
        return cls(NewsKind(fields["kind"]), fields["detail"])


@dataclass(frozen=True)
class Orders:
    """The line to a worker: the plan of all, its own number and place, and the bound socket's descriptor."""

    plan: Plan
    index: int
    place: Place
    listener: int

    def as_line(self) -> bytes:
        """One line, for `from_line`."""
        place = {
            "host": self.place.host,
            "port": self.place.port,
            "path": self.place.path and str(self.place.path),
            "tls": self.place.tls,
        }
        fields = {"plan": self.plan.as_json(), "index": self.index, "place": place, "listener": self.listener}
        return json.dumps(fields).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Orders":
        """What `as_line` wrote."""
        fields = json.loads(line)
        place = fields["place"]
        path = place.pop("path")
        return cls(
            Plan.from_json(fields["plan"]),
            fields["index"],
            Place(**place, path=Path(path) if path else None),
            fields["listener"],
        )


class WorkerEnd:
    """The worker's end of the pair."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def orders(self) -> Orders:
        """Waits for the parent's line."""
        with self._connection.makefile("rb") as lines:
            return Orders.from_line(lines.readline())

    def tell(self, news: News) -> None:
        """Says it, to a parent that may be gone."""
        try:
            self._connection.sendall(news.as_line())
        except OSError:
            return

    def fileno(self) -> int:
        """Becomes readable when the parent is gone, as it says nothing after its orders."""
        return self._connection.fileno()
