"""Arguments as the text that they are in a key: no two values that differ have the same text.

| value | text |
|---|---|
| whole numbers, None, True, False | as Python writes them: `3`, `-3`, `None` |
| str | as it is, percent-encoded where it could separate parts; in quotes where it reads like something else: `"3"` |
| float, Decimal, bytes, UUID, dates and times | their type and their own form: `float(1.5)`, `date(2026-11-23)` |
| members of an Enum, classes, functions | where they are defined: `shop.models.Colour(RED)` |
| tuple, list, dict, set | their parts in brackets, dicts and sets sorted: `(1,2)`, `[1,2]`, `{a=1}`, `<1,2>` |

Anything else has no text that lasts, and is refused: a template names what identifies it, like `{user.id}`.
"""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from types import FunctionType
from typing import Any, Final
from uuid import UUID

from headrace.errors import UsageError

SEPARATORS: Final = ":/|;&?# ^"  # never in the text of a value
_OTHER: Final = re.compile(r"[^\w.~@+*!$'-]")
_READS_ALIKE: Final = re.compile(r"-?\d.*|None|True|False|", re.DOTALL)


def text_of(value: object) -> str:
    """The text of an argument, for use in a key. Raises `UsageError` for a value that has none.

    Example: `text_of("a b") == "a%20b"`, `text_of("3") == '"3"'`.
    """
    kind = type(value)
    if kind is str:
        return _quoted(value)  # type: ignore[arg-type] # it is one
    if kind in PLAIN:
        return str(value)
    if kind in TYPED:
        return f"{kind.__name__}({TYPED[kind](value)})"
    if kind in NESTED:
        return NESTED[kind](value)
    return _by_base(value)


def plain_text(value: object) -> str:
    """The text of `{name!s}`: whatever the type is, so that 3 and "3" are the same."""
    return _OTHER.sub(_encoded, str(value))


def _quoted(value: str) -> str:
    if value.isidentifier() and value not in ("None", "True", "False"):
        return value
    text = _OTHER.sub(_encoded, value)
    return f'"{text}"' if _READS_ALIKE.fullmatch(value) else text


def _encoded(match: "re.Match[str]") -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def _by_base(value: object) -> str:
    if isinstance(value, Enum):
        return f"{_place(type(value))}({plain_text(value.name)})"
    if isinstance(value, type | FunctionType):
        return _place(value) + "()"
    if isinstance(value, str):
        return _quoted(str.__str__(value))
    if isinstance(value, int):
        return int.__repr__(value)
    raise UsageError(
        f"a value of type {_place(type(value))} can't be part of a cache key",
        hint="let the key template name what identifies it, like {user.id}, or take it as text: {user!s}",
    )


def _place(definition: Any) -> str:  # noqa: ANN401 - classes and functions
    return plain_text(f"{definition.__module__}.{definition.__qualname__}".removeprefix("builtins."))


def _items(values: Mapping[object, object]) -> str:
    return ",".join(sorted(f"{text_of(key)}={text_of(value)}" for key, value in values.items()))


PLAIN: Final = frozenset({int, bool, type(None)})
TYPED: Final[Mapping[type, Callable[[Any], str]]] = {
    float: repr,
    Decimal: str,
    bytes: bytes.hex,
    UUID: str,
    dt.date: lambda value: plain_text(value.isoformat()),
    dt.datetime: lambda value: plain_text(value.isoformat()),
    dt.time: lambda value: plain_text(value.isoformat()),
    dt.timedelta: lambda value: plain_text(f"{value.days}d{value.seconds}s{value.microseconds}us"),
}
NESTED: Final[Mapping[type, Callable[[Any], str]]] = {
    tuple: lambda values: f"({','.join(map(text_of, values))})",
    list: lambda values: f"[{','.join(map(text_of, values))}]",
    dict: lambda values: f"{{{_items(values)}}}",
    set: lambda values: f"<{','.join(sorted(map(text_of, values)))}>",
    frozenset: lambda values: f"<{','.join(sorted(map(text_of, values)))}>",
}
