"""An ingest server on a free port with the journal behind it, and clients that post over either protocol."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from headrace._core import Engine, IngestOptions, IngestServer, Journal, Limits

from .http2 import Http2Client, Reply, head
from .wire import Client, Message, parse_field, request

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from headrace._core import Tls

Answer = Message | Reply


class Http1Poster(Client):
    def say(self, body: bytes, *fields: str, target: str = "/", method: str = "POST", end: bool = False) -> int:
        """Sends a head, some of a body, and its end; without a length the body comes in chunks."""
        if not any(line.startswith("Content-Length") for line in fields):
            fields = (*fields, "Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n" % (len(body), body) + (b"0\r\n\r\n" if end else b"")
        self.send(request(method, target, *fields, body=body))
        return 0

    def hear(self, _stream: int) -> Answer:
        return self.response()

    def give_up(self, _stream: int) -> None:
        self.reset()


class Http2Poster(Http2Client):
    def say(self, body: bytes, *fields: str, target: str = "/", method: str = "POST", end: bool = False) -> int:
        """Sends a head, some of a body, and its end; the stream of it."""
        stream = self.start(head(method, target, *map(parse_field, fields)), end=end and not body)
        if body:
            self.data(stream, body, end=end)
        return stream

    def hear(self, stream: int) -> Answer:
        return self.response(stream)

    def give_up(self, stream: int) -> None:
        self.reset(stream)


Poster = Http1Poster | Http2Poster


def post(poster: Poster, body: bytes | str, *fields: str, target: str = "/", method: str = "POST") -> Answer:
    """A whole request, and the answer to it; `fields` are lines."""
    data = body.encode() if isinstance(body, str) else body
    length = f"Content-Length: {len(data)}"
    return poster.hear(poster.say(data, length, *fields, target=target, method=method, end=True))


class Service:
    """With `tls` its clients post over HTTP/2, without it over HTTP/1.1."""

    def __init__(
        self,
        folder: Path,
        journal: dict[str, Any],
        options: dict[str, Any],
        *,
        limits: dict[str, Any],
        tls: tuple[Tls, ssl.SSLContext] | None,
    ) -> None:
        self.journal = Journal(folder, **{"reserve_bytes": 0, "retain": 600.0, **journal})
        self.server = IngestServer(self.journal, IngestOptions(**options))
        self.clients: list[Poster] = []
        self.engine = Engine(threads=1, limits=Limits(**limits))
        self._tls, self._trust = tls or (None, None)
        self.listener = self.engine.listen("127.0.0.1:0", self.server, tls=self._tls)

    def client(self) -> Poster:
        """A new connection, closed at the end of the test."""
        address = self.listener.address
        client = Http2Poster(address, self._trust) if self._trust else Http1Poster(address)
        self.clients.append(client)
        return client

    def post(self, body: bytes | str, *fields: str, target: str = "/", method: str = "POST") -> Answer:
        """Over a new connection."""
        return post(self.client(), body, *fields, target=target, method=method)

    def begin(self, body: bytes, *fields: str) -> Answer:
        """What comes back, over a new connection, on a request whose body goes on after `body`."""
        client = self.client()
        return client.hear(client.say(body, *fields))

    def kept(self) -> list[bytes]:
        return kept(self.journal)

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.engine.stop(0.0)
        self.journal.close()


def kept(journal: Journal) -> list[bytes]:
    """All payloads that wait in a journal."""
    slices = journal.open_from(0, max_payloads=10_000, max_bytes=1 << 30)
    return [line for piece in slices for line in piece.lines.splitlines()]


def collection(*payloads: object, token: str = "") -> str:
    return json.dumps({"version": "1", "token": token, "data": payloads})


def told(answer: Answer) -> dict[str, Any]:
    return json.loads(answer.body)
