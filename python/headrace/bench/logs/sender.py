"""A program that sends log entries over TCP: posted to a collector of ours, or as syslog lines (RFC 5424).

`python -m headrace.bench.logs.sender post|syslog PORT COUNT BATCH CONNECTIONS` sends COUNT entries, BATCH of them with
one call on each of CONNECTIONS in turn, and prints how many were acknowledged; syslog acknowledges nothing.
The entries of a batch have the time at which it leaves.
"""

import json
import random
import socket
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Final

BODIES: Final = 20  # different batches, so that none is like the one before
NOW: Final = b"@@@@@@@@@@@@@@@@@@@@@@@@@@@"  # as long as a time
STAMP: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
HEAD: Final = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n"


def message(chance: random.Random) -> str:
    """What a shop might say: some 120 characters."""
    order, customer = chance.getrandbits(48), chance.getrandbits(128)
    return (
        f"order {order:012x} of customer {customer:032x}: {chance.randrange(1, 9)} articles, paid by card, "
        f"{chance.randrange(2000)} ms at the bank"
    )


def posted(texts: Sequence[str]) -> bytes:
    """A request with an entry a line."""
    now = NOW.decode()
    lines = (json.dumps({"Level": "INFO", "Timestamp": now, "Source": "shop", "Message": text}) for text in texts)
    body = "\n".join(lines).encode()
    return HEAD % len(body) + body


def syslog(texts: Sequence[str]) -> bytes:
    """The same as lines of RFC 5424."""
    return b"".join(b"<134>1 %s machine shop - - - %s\n" % (NOW, text.encode()) for text in texts)


def accepted(connection: socket.socket) -> int:
    """Reads one answer; how many entries it acknowledges."""
    told = b""
    while not told.endswith(b"\n") or b"\r\n\r\n" not in told:
        piece = connection.recv(65536)
        if not piece:
            break
        told += piece
    head, _, body = told.partition(b"\r\n\r\n")
    return int(json.loads(body)["accepted"]) if head.startswith(b"HTTP/1.1 200") else 0


def main(kind: str, port: int, count: int, batch: int, connections: int) -> int:
    """Sends all of it; how many entries were acknowledged."""
    chance = random.Random(1)  # noqa: S311 - they are to be the same each time
    form = posted if kind == "post" else syslog
    bodies = [form([message(chance) for _ in range(batch)]) for _ in range(BODIES)]
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    for each in sockets:
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sent = acknowledged = 0
    while sent < count:
        for each in sockets:
            body = bodies[sent // batch % BODIES]
            each.sendall(body.replace(NOW, datetime.now(timezone.utc).strftime(STAMP).encode()))
            sent += batch
        acknowledged += sum(map(accepted, sockets)) if kind == "post" else batch * connections
    for each in sockets:
        each.close()
    return acknowledged


if __name__ == "__main__":
    print(main(sys.argv[1], *map(int, sys.argv[2:])))
