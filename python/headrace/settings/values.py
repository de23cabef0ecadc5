"""Kinds of values: how one is read from a flag, a variable or the settings file, and written back for people.

Every `read` takes what TOML or text gives (a string where it came from a variable) and raises `UnreadableError`;
`accepts` then tells what would have been right.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", re.IGNORECASE)
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
ADDRESS_SHAPE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]@]+):([0-9]{1,5})")
SWITCH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class UnreadableError(ValueError):
    """The value isn't of its kind."""


@dataclass(frozen=True)
class Kind(Generic[T]):
    """One kind of value. `show` gives the text that `read` understands."""

    read: Callable[[object], T]
    accepts: str
    show: Callable[[T], str] = str


def read_text(value: object) -> str:
    """A string that isn't blank and holds no control character."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise UnreadableError(value)
    return value.strip()


def read_path(value: object) -> Path:
    """A path; `~` is the user's home."""
    return Path(value if isinstance(value, Path) else read_text(value)).expanduser()


def read_address(value: object) -> str:
    """An address to listen on: `"127.0.0.1:2000"`, `"[::1]:2000"`, `"localhost:0"`."""
    match = ADDRESS_SHAPE.fullmatch(read_text(value))
    if not match or int(match[2]) > 65535:
        raise UnreadableError(value)
    return match[0]


def read_switch(value: object) -> bool:
    """True or false, or one of the usual words for them."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in SWITCH:
        return SWITCH[value.strip().lower()]
    raise UnreadableError(value)


def read_number(value: object) -> float:
    """A plain number, as such or as text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise UnreadableError(value)
    if isinstance(value, str) and not re.fullmatch(r"\s*\d+(\.\d+)?\s*", value):
        raise UnreadableError(value)
    return float(value)


def read_integer(value: object) -> int:
    """A whole number, as such or as text."""
    if isinstance(value, float) or read_number(value) % 1:
        raise UnreadableError(value)
    return int(read_number(value))


def read_duration(value: object) -> float:
    """Read seconds: `read_duration("250ms") == 0.25`, `read_duration(30) == 30.0`."""
    if isinstance(value, str):
        match = DURATION.fullmatch(value.strip())
        if not match:
            raise UnreadableError(value)
        return float(match[1]) * SECONDS[(match[2] or "s").lower()]
    return read_number(value)


def read_size(value: object) -> int:
    """Read bytes, in powers of 1024: "64k" and "64 KiB" are 65536."""
    if isinstance(value, str):
        match = SIZE.fullmatch(value.strip())
        if not match:
            raise UnreadableError(value)
        return int(float(match[1]) * BYTES[match[2].lower()])
    return read_integer(value)


def read_texts(value: object) -> tuple[str, ...]:
    """A list of strings, or one string with commas."""
    if isinstance(value, str):
        return tuple(read_text(part) for part in value.split(",") if part.strip())
    if not isinstance(value, (list, tuple)):
        raise UnreadableError(value)
    return tuple(read_text(part) for part in value)


def read_paths(value: object) -> tuple[Path, ...]:
    """A list of paths, or one string with commas."""
    return tuple(map(read_path, value if isinstance(value, list | tuple) else read_texts(value)))


def show_duration(seconds: float) -> str:
    """Give the shortest text in whole units: `show_duration(300) == "5m"`."""
    for unit in ("d", "h", "m", "s"):
        if seconds and seconds % SECONDS[unit] == 0:
            return f"{seconds / SECONDS[unit]:.0f}{unit}"
    return f"{seconds * 1000:g}ms" if seconds else "0s"


def show_size(size: int) -> str:
    """Give the shortest text in whole units: `show_size(65536) == "64 KiB"`."""
    for unit in ("t", "g", "m", "k"):
        if size and size % BYTES[unit] == 0:
            return f"{size // BYTES[unit]} {unit.upper()}iB"
    return str(size)


def between(read: Callable[[object], T], low: float, high: float) -> Callable[[object], T]:
    """`read`, and refuses what lies outside `low` to `high`."""

    def bounded(value: object) -> T:
        result = read(value)
        if not low <= float(result) <= high:  # type: ignore[arg-type]
            raise UnreadableError(value)
        return result

    return bounded


def one_of(*choices: str) -> Kind[str]:
    """One of a few words."""

    def read(value: object) -> str:
        if read_text(value) not in choices:
            raise UnreadableError(value)
        return read_text(value)

    return Kind(read, "one of " + ", ".join(choices))


def whole(low: int, high: int = 2**31 - 1) -> Kind[int]:
    """A whole number within bounds."""
    accepts = f"a whole number from {low}" + (f" to {high}" if high < 2**31 - 1 else "")
    return Kind(between(read_integer, low, high), accepts)


TEXT = Kind(read_text, "text")
TEXTS = Kind(read_texts, "a list of texts, or one text with commas", ", ".join)
ADDRESS = Kind(read_address, 'host:port, such as "127.0.0.1:2000"')
PATH = Kind(read_path, "a path")
PATHS = Kind(read_paths, "a list of paths, or paths with commas", lambda value: ", ".join(map(str, value)))
SWITCHED = Kind(read_switch, "true or false", lambda value: str(value).lower())
PORT = whole(0, 65535)
SHARE = Kind(between(read_number, 0, 1), "a number from 0 to 1", lambda value: f"{value:g}")
# An instant or an eternity is nearly always a slip of units; the core refuses a time-out of 0.
SPAN = Kind(between(read_duration, 0.001, 86400 * 366), 'a duration such as "30s", "5m", "250ms"', show_duration)
SPAN_OR_NONE = Kind(between(read_duration, 0, 86400 * 366), 'a duration such as "30s", or 0', show_duration)
BYTE_SIZE = Kind(between(read_size, 1, 2**53), 'a size such as "64k", "16 MiB"', show_size)
# A segment is at least 16 KiB, and a journal needs room to go from one to the next.
JOURNAL_SIZE = Kind(between(read_size, 2**18, 2**53), 'a size from "256k" on, such as "8 GiB"', show_size)
