"""Streams: where is posted to each, and the number that the journal knows it by.

Numbers are kept in a file beside the journal: a stream that is no longer posted to keeps its own, because payloads of
it may still wait to land.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.errors import OperationError, UsageError
from headrace.state import reason, write_atomically

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # a folder's name in every store
PATH: Final = re.compile(r"/[!-~]*")
MOST: Final = 65535  # the journal has two bytes for the number


@dataclass(frozen=True)
class Streams:
    """The streams as of one start: `posted` are paths with numbers, `names` those of all numbers ever given."""

    posted: Sequence[tuple[str, int]]
    names: Mapping[int, str]


def streams(paths: Iterable[str], file: Path) -> Streams:
    """The streams that `paths` name, each with the number that it had before or, if it is new, the next one.

    Example: `streams(["/", "/orders", "/v1/in=orders"], folder / "streams.json")`: two streams, the default one and
    `orders`, which is posted to at two places.
    Raises `UsageError` for a path that can't be one, `OperationError` for the file.
    """
    wanted = [read_path(text) for text in paths]
    if len({path for path, _ in wanted}) < len(wanted):
        raise UsageError("ingest setting paths names a path twice", hint="a path belongs to one stream")
    known = _read(file)
    numbers = assign((name for _, name in wanted), known)
    if numbers != known:
        write_atomically(file, json.dumps(numbers).encode())
    posted = [(path, numbers[name]) for path, name in wanted]
    return Streams(posted, {number: name for name, number in numbers.items()})


def read_path(text: str) -> tuple[str, str]:
    """A path and its stream's name, empty for the default one. Raises `UsageError`.

    Example: `read_path("/orders") == ("/orders", "orders")`, `read_path("/v1/in=orders") == ("/v1/in", "orders")`.
    """
    path, named, name = text.partition("=")
    name = name if named else path.strip("/")
    if not PATH.fullmatch(path) or (name and not NAME.fullmatch(name)):
        hint = "write /, /orders or /some/path=orders; a name has letters, digits, dots, - and _"
        raise UsageError(f"ingest setting paths cannot have {text!r}", hint=hint)
    return path, name


def assign(names: Iterable[str], known: Mapping[str, int]) -> dict[str, int]:
    """All known numbers, and the next ones for new names; the default stream is 0."""
    numbers = {"": 0, **known}
    for name in names:
        numbers.setdefault(name, max(numbers.values()) + 1)
    if max(numbers.values()) > MOST:
        raise UsageError(f"there have been more than {MOST} streams", hint="use another state folder")
    return numbers


def _read(file: Path) -> dict[str, int]:
    try:
        return {str(name): int(number) for name, number in json.loads(file.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise OperationError(f"cannot read the streams in {file}: {reason(error)}") from error
    except (ValueError, AttributeError) as error:
        hint = "restore it: without it payloads that wait would land under other names"
        raise OperationError(f"{file} doesn't hold streams and their numbers", hint=hint) from error
