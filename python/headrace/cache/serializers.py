"""Values as bytes and back.

| name | values | comes back as |
|---|---|---|
| `json` | what msgspec writes as JSON: plain data, dataclasses, datetimes, ... | JSON's; or `Json(type)` |
| `msgpack` | the same and bytes, denser | the same |
| `bytes`, `text` | bytes or str only, exactly as they are: for what other programs read and write too | itself |
| `pickle` | nearly anything | itself. Whoever may write to the cache may run code in this process |

`json` keeps bytes and str without writing them as JSON: a first byte that no JSON begins with says which they are.
"""

import pickle
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from headrace.cache.errors import SerializeError
from headrace.errors import UsageError

BYTES: Final = b"\x00"
TEXT: Final = b"\x01"
MARKS: Final = 1  # the highest of them; no JSON begins so low


class Serializer(Protocol):
    """How values become bytes. Example: `Json().loads(Json().dumps([1])) == [1]`."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    def dumps(self, value: object, /) -> bytes:
        """The value as bytes. Raises `SerializeError` for what it can't write."""

    def loads(self, data: bytes, /) -> object:
        """The value that these bytes are. Raises `SerializeError` for what it has not written."""


class Json:
    """JSON by msgspec. Example: `Json(Post).loads(data)` gives a `Post`, checked."""

    name = "json"

    def __init__(self, type: object = Any) -> None:  # noqa: A002 - msgspec's own word
        self._encode: Callable[[object], bytes] = msgspec.json.Encoder().encode
        self._decode: Callable[[bytes], object] = msgspec.json.Decoder(type).decode

    def dumps(self, value: object) -> bytes:
        """The value as JSON; bytes and str as they are, behind their mark."""
        if isinstance(value, str):
            return TEXT + _utf8(value)
        if isinstance(value, bytes):
            return BYTES + value
        return _written(self.name, self._encode, value)

    def loads(self, data: bytes) -> object:
        """What `dumps` was given, as JSON has it."""
        try:
            if data[0] > MARKS:  # first what is most often, for hits in memory are counted in nanoseconds
                return self._decode(data)
            return str(data[1:], "utf-8") if data[:1] == TEXT else data[1:]
        except Exception as error:
            raise _foreign(self.name, error) from error


class MessagePack:
    """MessagePack by msgspec. Example: `MessagePack().dumps({"a": b"b"})`."""

    name = "msgpack"

    def __init__(self, type: object = Any) -> None:  # noqa: A002 - msgspec's own word
        self._encode: Callable[[object], bytes] = msgspec.msgpack.Encoder().encode
        self._decode: Callable[[bytes], object] = msgspec.msgpack.Decoder(type).decode

    def dumps(self, value: object) -> bytes:
        """The value as MessagePack."""
        return _written(self.name, self._encode, value)

    def loads(self, data: bytes) -> object:
        """What `dumps` was given, as MessagePack has it."""
        return _read(self.name, self._decode, data)


class Bytes:
    """Bytes as they are. Example: `Bytes().dumps(b"as it is")`."""

    name = "bytes"

    def dumps(self, value: object) -> bytes:
        """The value itself, which must be bytes."""
        if not isinstance(value, bytes):
            raise _unfit(self.name, value, "it keeps bytes only")
        return value

    def loads(self, data: bytes) -> bytes:
        """The bytes themselves."""
        return data


class Text:
    """Text as UTF-8. Example: `Text().dumps("Zürich")`."""

    name = "text"

    def dumps(self, value: object) -> bytes:
        """The text in UTF-8; the value must be a str."""
        if not isinstance(value, str):
            raise _unfit(self.name, value, "it keeps str only")
        return _utf8(value)

    def loads(self, data: bytes) -> str:
        """The text."""
        return str(_read(self.name, lambda data: str(data, "utf-8"), data))


class Pickle:
    """Python's own format, by name only: whoever may write to the cache may run code in this process."""

    name = "pickle"

    def dumps(self, value: object) -> bytes:
        """The value as pickle has it."""
        return _written(self.name, lambda value: pickle.dumps(value, pickle.HIGHEST_PROTOCOL), value)

    def loads(self, data: bytes) -> object:
        """The value."""
        return _read(self.name, pickle.loads, data)


SERIALIZERS: Final[Mapping[str, Callable[[], Serializer]]] = {
    "json": Json,
    "msgpack": MessagePack,
    "bytes": Bytes,
    "text": Text,
    "pickle": Pickle,
}


def serializer(name: str | Serializer) -> Serializer:
    """The serializer of this name, or the given one. Raises `UsageError` for a name that is none."""
    if not isinstance(name, str):
        return name
    if name not in SERIALIZERS:
        raise UsageError(f"there is no serializer {name!r}", hint=f"use one of {', '.join(SERIALIZERS)}")
    return SERIALIZERS[name]()


def _written(name: str, write: Callable[[object], bytes], value: object) -> bytes:
    try:
        return write(value)
    except Exception as error:
        raise _unfit(name, value, str(error)) from error


def _read(name: str, read: Callable[[bytes], object], data: bytes) -> object:
    try:
        return read(data)
    except Exception as error:
        raise _foreign(name, error) from error


def _foreign(name: str, error: Exception) -> SerializeError:
    return SerializeError(f"what the cache has was not written by the serializer {name!r} ({error})")


def _utf8(value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise _unfit("text", value, str(error)) from error


def _unfit(name: str, value: object, why: str) -> SerializeError:
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    hint = "cache plain data, name another serializer, or pass one of your own"
    return SerializeError(f"the serializer {name!r} can't keep a value of type {kind} ({why})", hint=hint)
