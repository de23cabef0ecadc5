"""A cache server on a free port, and requests to it over either protocol."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from headrace._core import CacheOptions, CacheServer, Engine, Limits, Store

from .http2 import Http2Client, head
from .ingest_service import Answer, Http1Poster, Http2Poster, Poster
from .wire import parse_field, request

if TYPE_CHECKING:
    import ssl

    from headrace._core import Tls

TOKEN = "Authorization: Bearer secret"
HOUR = "Cache-Control: max-age=3600"


class Service:
    """Asks for the token `secret` unless told otherwise. With `tls` its clients speak HTTP/2, without it HTTP/1.1."""

    def __init__(
        self,
        tls: tuple[Tls, ssl.SSLContext] | None = None,
        store: dict[str, Any] | None = None,
        limits: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.store = Store(**{"max_bytes": 64 << 20, "max_value": options.get("max_value", 8 << 20), **(store or {})})
        self.server = CacheServer(self.store, CacheOptions(**{"tokens": ["secret"], **options}))
        self.engine = Engine(
            threads=1, limits=Limits(**{"header_line": 32768, "header_bytes": 65536, **(limits or {})})
        )
        self._tls, self._trust = tls or (None, None)
        self.listener = self.engine.listen("127.0.0.1:0", self.server, tls=self._tls)
        self.clients: list[Poster] = []

    def client(self) -> Poster:
        """A new connection, closed at the end of the test."""
        address = self.listener.address
        client = Http2Poster(address, self._trust) if self._trust else Http1Poster(address)
        self.clients.append(client)
        return client

    def ask(self, method: str, target: str, *fields: str, body: bytes | str | None = None) -> Answer:
        """A whole request over a new connection, with the token."""
        return ask(self.client(), method, target, TOKEN, *fields, body=body)

    def get(self, key: str | bytes, *fields: str, also: str = "") -> Answer:
        return self.ask("GET", f"/?key={quote(key, safe='')}{also}", *fields)

    def put(self, key: str | bytes, value: bytes | str, *fields: str) -> Answer:
        life = () if any(field.startswith("Cache-Control") for field in fields) else (HOUR,)
        return self.ask("PUT", f"/?key={quote(key, safe='')}", *life, *fields, body=value)

    def begin(self, body: bytes, *fields: str, target: str = "/?key=a", method: str = "PUT") -> Answer:
        """What comes back on a request whose body goes on after `body`."""
        client = self.client()
        return client.hear(client.say(body, TOKEN, HOUR, *fields, target=target, method=method))

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.engine.stop(0.0)


def ask(
    client: Poster, method: str, target: str, *fields: str, body: bytes | str | None = None, host: str = "app.test"
) -> Answer:
    """A whole request over `client`; without a body it says of none."""
    data = body.encode() if isinstance(body, str) else body
    if data is not None:
        fields = (*fields, f"Content-Length: {len(data)}")
    stream = send(client, method, target, *fields, body=data or b"", host=host)
    return client.response(stream) if isinstance(client, Http2Client) else client.response(method)


def send(client: Poster, method: str, target: str, *fields: str, body: bytes = b"", host: str = "app.test") -> int:
    """A request; its stream."""
    if isinstance(client, Http2Client):
        stream = client.start(head(method, target, *map(parse_field, fields), authority=host), end=not body)
        if body:
            client.data(stream, body, end=True)
        return stream
    client.send(request(method, target, *fields, body=body, host=host))
    return 0


def told(answer: Answer) -> dict[str, Any]:
    return json.loads(answer.body)
