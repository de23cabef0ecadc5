"""Requests that are nothing but a head, read in one call: held against llhttp, which reads whatever is left to it."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace._core import HeadReader

GET = b"GET /posts?page=2 HTTP/1.1\r\nHost: blog\r\nX-Two: a\r\nx-two:b \r\nConnection: keep-alive\r\n\r\n"


class Seen:
    """What llhttp tells of a request."""

    def __init__(self, data: bytes) -> None:
        self.url, self.fields, self.complete = b"", [], 0
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value.strip(b" \t")))

    def on_message_complete(self) -> None:
        self.complete += 1


def test_a_head_is_told_with_all_its_fields():
    fields = [(b"host", b"blog"), (b"x-two", b"a"), (b"x-two", b"b"), (b"connection", b"keep-alive")]
    assert HeadReader().read(GET) == ("GET", b"/posts", b"page=2", fields)


def test_a_reader_remembers_nothing():
    reader = HeadReader()
    assert reader.read(GET.replace(b"Host", b"Host:", 1)) is None
    assert reader.read(b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n") == ("DELETE", b"/", b"", [(b"host", b"a")])


@pytest.mark.parametrize("end", range(len(GET)))
def test_a_part_is_left_to_others(end):
    assert HeadReader().read(GET[:end]) is None
    assert HeadReader().read(GET + GET[: end + 1]) is None


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length: 0",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"Connection: upgrade\r\nUpgrade: websocket",
        b"Upgrade: h2c",
        b"Host: again",
        b"A : b",
        b"A: b\r\n c",
        b"A: \0",
    ],
)
def test_what_is_not_plain_is_left_to_others(line):
    assert HeadReader().read(b"GET / HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n\r\n") is None


TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12).map(str.encode)
NAME = st.sampled_from([b"A", b"x-b", b"X_C", b"Host", b"Connection", b"Content-Length", b"Upgrade", b"Expect", b""])
LINE = st.tuples(
    NAME, st.sampled_from([b": ", b":", b" : ", b":\t"]), TEXT, st.sampled_from([b"\r\n", b"\n", b" \r\n"])
)
POISON = st.sampled_from([b"", b"\r", b"\n", b"\r\n", b"\0", b" ", b"#", b"\x7f", b"\xe9", b":"])


@given(
    start=st.sampled_from([b"GET ", b"POST ", b"X-Y ", b"get ", b"GET  "]),
    path=st.sampled_from([b"/", b"/a?b?c", b"/%41", b"*", b"http://a/", b""]),
    poison=POISON,
    lines=st.lists(LINE.map(b"".join), max_size=4).map(b"".join),
    rest=st.sampled_from([b"", b"G", b"\r\n"]),
)
def test_what_is_read_llhttp_reads_alike(start, path, poison, lines, rest):
    data = start + path + poison + b" HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n" + rest
    head = HeadReader().read(data)
    if head is None:
        return
    method, raw_path, query, fields = head
    seen = Seen(data)
    assert (seen.complete, seen.parser.should_keep_alive(), seen.parser.should_upgrade()) == (1, True, False)
    assert (seen.parser.get_method().decode(), seen.fields) == (method, fields)
    assert seen.url == raw_path + (b"?" + query if b"?" in seen.url else b"")
