"""Further fields of an entry as JSON. Nothing that is logged is refused for what it is."""

import json
from collections.abc import Mapping
from typing import Final

RESERVED: Final = frozenset({"timestamp", "time", "level", "source", "message"})


def as_json(fields: Mapping[str, object]) -> str:
    """A JSON object on one line; what isn't JSON is told by its `repr`, and a name that entries have gets a `_`.

    Example: `as_json({"user": 7, "Level": {1}}) == '{"user":7,"Level_":"{1}"}'`.
    """
    named = {f"{name}_" if name.lower() in RESERVED else name: value for name, value in fields.items()}
    try:
        return _dumps(named)
    except (TypeError, ValueError, RecursionError):
        return _dumps({name: _plain(value) for name, value in named.items()})


def clean(text: str) -> str:
    """The text without halves of surrogate pairs, which UTF-8 has not."""
    return text.encode("utf-8", "backslashreplace").decode()


def _dumps(value: object) -> str:
    return json.dumps(value, default=_repr, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _plain(value: object) -> object:
    """One value that made trouble among others; the others stay what they are."""
    try:
        return json.loads(_dumps(value))
    except (TypeError, ValueError, RecursionError):
        return _repr(value)


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - somebody else's code, and a log entry must not fail for it
        return f"<{type(value).__name__}, whose repr fails with {type(error).__name__}>"
