"""Entries as people read them: one line each in a pipe, with colours and whole tracebacks on a terminal."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import click

COLOURS: Final[Mapping[str, Mapping[str, Any]]] = {
    "TRACE": {"fg": "bright_black"},
    "DEBUG": {"fg": "blue"},
    "INFO": {"fg": "green"},
    "NOTICE": {"fg": "cyan"},
    "WARNING": {"fg": "yellow"},
    "ERROR": {"fg": "red"},
    "CRITICAL": {"fg": "white", "bg": "red", "bold": True},
    "ALERT": {"fg": "white", "bg": "red", "bold": True},
    "PANIC": {"fg": "white", "bg": "red", "bold": True},
}
LEVEL_WIDTH: Final = 8  # that of CRITICAL
INDENT: Final = "    "

# What moves a cursor, hides text or turns its direction has no business on a terminal.
HIDING: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
OWN: Final = ("time", "level", "source", "message")


def shown(entry: Mapping[str, Any], *, colours: bool) -> str:
    """The entry for a pipe, or with `colours` for a terminal.

    Example: `shown({"time": "2026-11-23T12:00:00.000000000Z", "level": "INFO", "source": "web", "message": "up"},
    colours=False)` is `2026-11-23 12:00:00 INFO     web: up`.
    """
    level, source = _clean(entry.get("level", "")), _clean(entry.get("source", ""))
    fields = {name: value for name, value in entry.items() if name not in OWN}
    long = {name: fields.pop(name) for name in list(fields) if colours and "\n" in str(fields[name])}
    parts = [
        _styled(colours, _time(str(entry.get("time", ""))), fg="bright_black"),
        _styled(colours, level.ljust(LEVEL_WIDTH), **COLOURS.get(level, {})),
        _styled(colours, f"{source}:", fg="cyan") if source else "",
        _lines(entry.get("message", "")) if colours else _clean(entry.get("message", "")),
        _styled(colours, _fields(fields), fg="bright_black") if fields else "",
    ]
    below = [f"\n{INDENT}{_clean(name)}: {_lines(value)}" for name, value in long.items()]
    return "".join(
        [" ".join(part for part in parts if part), *(_styled(colours, text, fg="bright_black") for text in below)]
    )


def _time(text: str) -> str:
    """`2026-11-23 12:00:00.5` of a time in RFC 3339."""
    moment = text.removesuffix("Z").replace("T", " ")
    return _clean(moment.rstrip("0").rstrip(".") if "." in moment else moment)


def _lines(text: object) -> str:
    """All lines of a text, those after the first one set in."""
    return f"\n{INDENT}".join(_clean(line) for line in str(text).rstrip().split("\n"))


def _fields(fields: Mapping[str, Any]) -> str:
    return " ".join(
        f"{_clean(name)}={_clean(value) if isinstance(value, str) else _clean(json.dumps(value, ensure_ascii=False))}"
        for name, value in fields.items()
    )


def _clean(text: object) -> str:
    """The text with what hides as escapes."""
    return HIDING.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), str(text))


def _styled(colours: bool, text: str, **style: Any) -> str:  # noqa: ANN401, FBT001 - click's; a private switch
    return click.style(text, **style) if colours else text
