"""A batch of payloads as a request, and what follows from its answer. Pure.

| answer | then |
|---|---|
| 200 | done |
| none (no connection, time-out); 408, 409, 425, 429, 5xx | the same request again, after a pause |
| 413, and it was more than one payload | each half by itself |
| anything else | it failed |

The pause is what `Retry-After` says, else random up to 0.1 s, doubling to 30 s. Every attempt has the same key and the
same bytes, so that a batch whose answer was lost is not stored twice.
"""

import json
import uuid
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final

from headrace.errors import UsageError

FIRST: Final = 0.1
LONGEST: Final = 30.0
AGAIN: Final = {0, 408, 409, 425, 429}  # 0: there was no answer
WORTHWHILE: Final = 1024  # bytes from which a body is compressed


class Next(Enum):
    """What follows from an answer."""

    DONE = "done"
    AGAIN = "again"
    SPLIT = "split"
    FAILED = "failed"


@dataclass(frozen=True)
class Post:
    """A request's body and headers, the same for every attempt."""

    payloads: Sequence[bytes]
    body: bytes
    headers: dict[str, str]


def post(payloads: Sequence[bytes], *, version: str, token: str, encode: str | None) -> Post:
    """The request that carries these payloads (JSON, already encoded), compressed by `encode`: gzip, zstd or None.

    Example: the body of `post([b"1", b"2"], version="7", token="t", encode=None)` is
    `{"version":"7","token":"t","data":[1,2]}`.
    """
    head = f'{{"version":{json.dumps(version)},"token":{json.dumps(token)},"data":['.encode()
    body = b"".join((head, b",".join(payloads), b"]}"))
    headers = {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
    if encode and len(body) >= WORTHWHILE:
        headers["Content-Encoding"] = encode
        body = compressor(encode)(body)
    return Post(payloads, body, headers)


def compressor(name: str) -> Callable[[bytes], bytes]:
    """What compresses bodies. Raises `UsageError` when it isn't known or not installed."""
    if name == "gzip":
        return _gzip
    if name != "zstd":
        raise UsageError(f"unknown compression {name}", hint="choose gzip, zstd or None")
    try:
        import zstandard  # noqa: PLC0415 - an extra
    except ImportError:
        raise UsageError("the compression zstd needs zstandard", hint="pip install 'headrace[zstd]'") from None
    return zstandard.ZstdCompressor().compress


def follow(status: int, payloads: int) -> Next:
    """What follows from a status (0: none came) for a batch of so many payloads."""
    if status == 200:
        return Next.DONE
    if status in AGAIN or status >= 500:
        return Next.AGAIN
    return Next.SPLIT if status == 413 and payloads > 1 else Next.FAILED


def pause(attempt: int, retry_after: str | None, jitter: float, now: datetime | None = None) -> float:
    """Seconds before the next attempt; `attempt` counts from 1, `jitter` is random from 0 to 1.

    `retry_after` is the header (seconds or a date, RFC 9110, 10.2.3), to which a tenth is added so that all who were
    refused together don't come back together.
    """
    asked = _seconds(retry_after, now or datetime.now(timezone.utc)) if retry_after else None
    if asked is not None:
        return asked * (1 + jitter / 10)
    return jitter * min(LONGEST, FIRST * 2.0 ** min(attempt - 1, 16))


def _seconds(retry_after: str, now: datetime) -> float | None:
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or timezone.utc) - now).total_seconds())


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()
