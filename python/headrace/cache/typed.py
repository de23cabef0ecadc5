"""Serializers that know what a function returns, so that a hit gives what a call gives: a `Post`, not its dict."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from headrace.cache.serializers import Json, MessagePack, Serializer

TYPED: Final[Mapping[type, Callable[[object], Serializer]]] = {Json: Json, MessagePack: MessagePack}


def for_type(serializer: Serializer, returned: object) -> Serializer:
    """The serializer for values of this type, where it can be told one.

    Example: `for_type(Json(), list[int]).loads(b"[1]") == [1]`.
    """
    make = TYPED.get(type(serializer))
    if make is None or returned is Any:
        return serializer
    try:
        return make(returned)
    except TypeError:  # a type that msgspec has no notion of
        return serializer
