"""A whole response as it is kept, and what may be kept for how long (RFC 9111). No socket, no clock.

Only what a response says of itself counts: without `Cache-Control: max-age` or `s-maxage` nothing is kept.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

Headers = list[tuple[bytes, bytes]]
Message = dict[str, Any]

STATUSES: Final = frozenset({200, 203, 204, 300, 301, 308, 404, 410})
FORBIDS: Final = frozenset({"no-store", "no-cache", "private"})
KEPT_IN_304: Final = frozenset({b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary"})


@dataclass(frozen=True)
class Lifetime:
    """For how long a response is fresh, and then usable while it is renewed; in seconds."""

    fresh: float
    stale: float


@dataclass(frozen=True)
class Page:
    """A response. Example: `Page(200, [(b"content-type", b"text/plain")], b"hello")`."""

    status: int
    headers: Headers
    body: bytes

    def to_bytes(self) -> bytes:
        """A line with the head, then the body."""
        head = [self.status, [[name.decode("latin-1"), value.decode("latin-1")] for name, value in self.headers]]
        return json.dumps(head).encode() + b"\n" + self.body

    @classmethod
    def from_bytes(cls, data: bytes) -> "Page | None":
        """What `to_bytes` made; None for anything else."""
        head, _, body = data.partition(b"\n")
        try:
            status, headers = json.loads(head)
            return cls(status, [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers], body)
        except (ValueError, TypeError):
            return None

    def with_etag(self) -> "Page":
        """With a strong validator: the response's own, or one of the body."""
        if self.status != 200 or first(self.headers, b"etag") is not None:
            return self
        etag = f'"{blake2b(self.body, digest_size=12).hexdigest()}"'.encode()
        return Page(self.status, [*self.headers, (b"etag", etag)], self.body)

    def answer(self, method: str, request: Headers, age: float | None = None) -> Iterator[Message]:
        """The messages of ASGI that answer a request: the page, its head alone, or 304."""
        headers = [pair for pair in self.headers if age is None or pair[0] != b"age"]
        if age is not None:
            headers.append((b"age", str(int(age)).encode()))
        status, body = self.status, b"" if method == "HEAD" else self.body
        if self.status == 200 and _has(request, first(self.headers, b"etag")):
            status, body = 304, b""
            headers = [pair for pair in headers if pair[0] in KEPT_IN_304 or pair[0] == b"age"]
        elif first(headers, b"content-length") is None and status not in (204, 304):
            headers.append((b"content-length", str(len(self.body)).encode()))
        yield {"type": "http.response.start", "status": status, "headers": headers}
        yield {"type": "http.response.body", "body": body}


def lifetime(status: int, headers: Headers) -> Lifetime | None:
    """For how long a response may be kept for everybody; None: not at all."""
    control = directives(headers)
    names = {name for name, _ in headers}
    if status not in STATUSES or FORBIDS & set(control) or b"set-cookie" in names or "*" in vary(headers):
        return None
    fresh = seconds(control.get("s-maxage", control.get("max-age")))
    if fresh <= 0:
        return None
    strict = "must-revalidate" in control or "proxy-revalidate" in control or "s-maxage" in control
    return Lifetime(fresh, 0 if strict else seconds(control.get("stale-while-revalidate")))


def asks(method: str, headers: Headers) -> bool:
    """Whether the answer to a request may come from a cache at all."""
    names = {name for name, _ in headers}
    plain = not names & {b"authorization", b"range", b"upgrade"}
    return method in ("GET", "HEAD") and plain and "no-store" not in directives(headers)


def asks_anew(headers: Headers) -> bool:
    """Whether a request wants what the app says now, as a browser's reload does."""
    control = directives(headers)
    return "no-cache" in control or control.get("max-age") == "0"


def directives(headers: Headers) -> Mapping[str, str]:
    """What `Cache-Control` says: `{"max-age": "60", "public": ""}`."""
    pairs = (part.partition("=") for part in listed(headers, b"cache-control"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def vary(headers: Headers) -> list[str]:
    """The names of the request's fields that the response depends on."""
    return sorted({name.lower() for name in listed(headers, b"vary")})


def tags(headers: Headers) -> list[str]:
    """What `Cache-Tags` says."""
    return listed(headers, b"cache-tags")


def variant(key: str, names: Iterable[str], request: Headers) -> str:
    """The key of the response to a request with these values of the fields `names`; begins with `key` and #."""
    values = [
        [name, *(value.decode("latin-1") for field, value in request if field.decode("latin-1") == name)]
        for name in names
    ]
    return f"{key}#{blake2b(json.dumps(values).encode(), digest_size=16).hexdigest()}"


def listed(headers: Headers, name: bytes) -> list[str]:
    """The parts of a field that is a list, from all of its lines."""
    lines = (value.decode("latin-1") for field, value in headers if field == name)
    return [part.strip() for line in lines for part in line.split(",") if part.strip()]


def first(headers: Headers, name: bytes) -> bytes | None:
    """The value of a field."""
    return next((value for field, value in headers if field == name), None)


def seconds(text: str | None) -> float:
    """A delta-seconds; what is none counts as 0, which is safe."""
    return float(text) if text and text.isascii() and text.isdecimal() else 0


def _has(request: Headers, etag: bytes | None) -> bool:
    """Whether `If-None-Match` names the validator; compared weakly (RFC 9110, 13.1.2)."""
    known = [tag.removeprefix("W/") for tag in listed(request, b"if-none-match")]
    return etag is not None and ("*" in known or etag.decode("latin-1").removeprefix("W/") in known)
