"""Values as bytes and back."""

import dataclasses
import datetime as dt

import pytest

from headrace.cache.errors import SerializeError
from headrace.cache.serializers import Json, MessagePack, serializer
from headrace.errors import UsageError

PLAIN = [None, True, 0, -1.5, "", "ü ✓", b"", b"\x00\xff", [1, [2]], {"a": {"b": [None]}}]


@pytest.mark.parametrize("name", ["json", "msgpack", "pickle"])
@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_come_back_as_they_were(name, value):
    chosen = serializer(name)
    back = chosen.loads(chosen.dumps(value))
    assert back == value
    assert type(back) is type(value)


def test_bytes_and_text_are_kept_as_they_are():
    assert serializer("bytes").dumps(b"\x00") == b"\x00"
    assert serializer("text").dumps("ü") == "ü".encode()
    assert serializer("text").loads("ü".encode()) == "ü"
    assert Json().dumps("<p>\n")[1:] == b"<p>\n"


@dataclasses.dataclass
class Post:
    title: str
    written: dt.datetime


@pytest.mark.parametrize("kind", [Json, MessagePack])
def test_a_type_comes_back_as_itself_where_it_is_named(kind):
    post = Post("mill", dt.datetime(2026, 1, 5, tzinfo=dt.timezone.utc))
    typed = kind(Post)
    assert typed.loads(typed.dumps(post)) == post
    assert isinstance(kind().loads(kind().dumps(post)), dict)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("json", object()),
        ("json", {"a": lambda: 0}),
        ("json", "\ud800"),
        ("msgpack", object()),
        ("pickle", lambda: 0),
        ("bytes", "text"),
        ("text", b"bytes"),
        ("text", 1),
    ],
)
def test_what_cannot_be_kept_is_said_with_its_type_and_what_to_do(name, value):
    with pytest.raises(SerializeError) as raised:
        serializer(name).dumps(value)
    assert type(value).__name__ in str(raised.value)
    assert "name another serializer" in str(raised.value)


@pytest.mark.parametrize("name", ["json", "msgpack", "pickle", "text"])
def test_what_another_program_wrote_is_told_apart(name):
    with pytest.raises(SerializeError):
        serializer(name).loads(b"\xff\xfe{")


def test_a_name_that_is_none_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="json, msgpack, bytes, text, pickle"):
        serializer("yaml")
