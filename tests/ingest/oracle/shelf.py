"""What landed, read with nothing of headrace's: gzip, JSON and the names of files."""

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def landed(objects: Mapping[str, bytes]) -> Iterator[Any]:
    """The payloads of objects by key."""
    for key, data in objects.items():
        if key.endswith(".json"):
            yield json.loads(data)
        elif key.endswith(".ndjson.gz"):
            yield from map(json.loads, gzip.decompress(data).split(b"\n")[:-1])


def in_folder(folder: Path) -> dict[str, bytes]:
    """The objects below a folder; what a writer left half done has another suffix."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def dead_letters(state: Path) -> Iterator[Any]:
    """The payloads that were set aside."""
    for path in (state / "ingest" / "dead").glob("*.dead.ndjson"):
        yield from map(json.loads, path.read_bytes().split(b"\n")[1:-1])
