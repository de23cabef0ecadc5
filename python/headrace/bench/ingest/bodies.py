"""What is posted: collections of three payloads of telemetry, about 680 bytes, the same in every run.

There are so many different ones that no compressor's window holds a repetition.
"""

import random
from collections.abc import Iterator
from pathlib import Path

COUNT = 10_000
PAYLOADS = 3
TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 - nobody asks for it
EMPTY = b'{"version":"1","token":"","data":[]}'
EVENTS = ("detection", "scan", "update", "quarantine", "startup", "shutdown", "heartbeat", "policy")


def collections(count: int = COUNT) -> Iterator[str]:
    """So many collections, each on one line."""
    chance = random.Random(1)  # noqa: S311 - they are to be the same each time
    for _ in range(count):
        payloads = ",".join(_payload(chance) for _ in range(PAYLOADS))
        yield f'{{"version":"10.0.19045","token":"{TOKEN}","data":[{payloads}]}}'


def write_collections(folder: Path) -> Path:
    """The file with all of them, a line each."""
    path = folder / "collections.ndjson"
    if not path.exists():
        path.write_text("\n".join(collections()) + "\n")
    return path


def write_collection(folder: Path) -> Path:
    """The file with one of them, for generators that always send the same."""
    path = folder / "collection.json"
    path.write_text(next(collections(1)))
    return path


def _payload(chance: random.Random) -> str:
    path = f"C:\\\\Users\\\\u{chance.randrange(5000)}\\\\AppData\\\\Local\\\\Temp\\\\x{chance.getrandbits(24):06x}.exe"
    return (
        f'{{"id":"{chance.getrandbits(128):032x}","host":"machine-{chance.randrange(500)}",'
        f'"event":"{chance.choice(EVENTS)}","name":"Trojan.Agent.{chance.randrange(1000)}","path":"{path}",'
        f'"ts":17000{chance.randrange(10**8):08d},"score":{chance.random():.4f}}}'
    )
