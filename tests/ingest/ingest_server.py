"""A stand-in for `headrace ingest`: stores collections once for each key, and answers what it is told."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.webserver import Handler, serving


@dataclass
class Answer:
    """`stored`: whether the collection is kept; status 0 hangs up without a word."""

    status: int
    stored: bool = False
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class IngestServer:
    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    collections: dict[str, Any] = field(default_factory=dict)
    largest: int = 1 << 20
    pause: threading.Event = field(default_factory=threading.Event)

    @property
    def payloads(self) -> list[Any]:
        return [payload for collection in self.collections.values() for payload in collection["data"]]


@contextmanager
def ingest_server() -> Iterator[IngestServer]:
    state = IngestServer()
    state.pause.set()

    class Ingest(Handler):
        def respond(self):
            body, headers = self.body(), self.named()
            state.requests.append((self.path, headers, body))
            state.pause.wait(30)
            plain = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
            answer = state.answers.pop(0) if state.answers else Answer(200, stored=True)
            if answer.status == 200 and len(plain) > state.largest:
                answer = Answer(413)
            if answer.stored:
                state.collections[headers["idempotency-key"]] = json.loads(plain)
            if answer.status:
                said = json.dumps({"error": "code", "message": f"because {answer.status}"}).encode()
                self.answer(answer.status, said, **answer.headers)
            else:
                self.close_connection = True

    with serving(Ingest) as state.url:
        try:
            yield state
        finally:
            state.pause.set()
