"""A collector that answers what it is told, and keeps what it took."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import zstandard

from tests import webserver
from tests.processes import until


@dataclass
class Collector:
    """`answers` are the statuses of the next requests, 200 after them; while `pause` is clear none is answered."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    pause: threading.Event = field(default_factory=threading.Event)
    taken: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    requests: list[dict[str, str]] = field(default_factory=list)

    @property
    def entries(self) -> list[dict[str, Any]]:
        """What was taken, each batch once."""
        return [entry for batch in list(self.taken.values()) for entry in batch]

    @property
    def messages(self) -> list[str]:
        return [entry["Message"] for entry in self.entries]

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """The entries, once there are so many."""
        return until(lambda: self.entries if len(self.entries) >= count else None, what=f"{count} entries")


@contextmanager
def stub_collector() -> Iterator[Collector]:
    collector = Collector()
    collector.pause.set()

    class Handler(webserver.Handler):
        def respond(self) -> None:
            fields, body = self.named(), self.body()
            collector.requests.append(fields)
            collector.pause.wait(60)
            status = collector.answers.pop(0) if collector.answers else 200
            if status == 200:
                if fields.get("content-encoding") == "zstd":
                    body = zstandard.ZstdDecompressor().decompress(body, 1 << 26)
                collector.taken[fields["idempotency-key"]] = [json.loads(line) for line in body.splitlines()]
            self.answer(status, b"{}", Retry_After="0")

    with webserver.serving(Handler) as url:
        collector.url = url
        try:
            yield collector
        finally:
            collector.pause.set()
