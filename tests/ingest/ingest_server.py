"""A stand-in for `headrace ingest`: stores collections once for each key, and answers what it is told."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


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

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.requests.append((self.path, headers, body))
            state.pause.wait(30)
            plain = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
            answer = state.answers.pop(0) if state.answers else Answer(200, stored=True)
            if answer.status == 200 and len(plain) > state.largest:
                answer = Answer(413)
            if answer.stored:
                state.collections[headers["idempotency-key"]] = json.loads(plain)
            if answer.status:
                self._reply(answer)
            else:
                self.close_connection = True

        def _reply(self, answer):
            said = json.dumps({"error": "code", "message": f"because {answer.status}"}).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(said)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        state.pause.set()
        server.shutdown()
        thread.join()
        server.server_close()
