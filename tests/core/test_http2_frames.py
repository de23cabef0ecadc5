"""Frames that break the rules end the connection or their stream, as RFC 9113 says; those merely odd do neither."""

from __future__ import annotations

import pytest
from hpack import Encoder

from headrace._core import Tls

from .app_server import echoes
from .frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    POST,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    frame,
    number,
    setting,
)
from .http2 import head
from .wire import request

OPEN = frame(HEADERS, 1, POST, flags=END_HEADERS)
WHOLE = frame(HEADERS, 1, GET, flags=END_HEADERS | END_STREAM)

ENDS_THE_CONNECTION = {
    "data-on-idle-stream": frame(DATA, 1, b"x", flags=END_STREAM),
    "data-on-stream-0": frame(DATA, 0, b"x"),
    "data-padding-too-long": OPEN + frame(DATA, 1, b"\x05x", flags=PADDED),
    "data-padding-missing": OPEN + frame(DATA, 1, b"", flags=PADDED),
    "headers-on-stream-0": frame(HEADERS, 0, GET, flags=END_HEADERS),
    "headers-on-even-stream": frame(HEADERS, 2, GET, flags=END_HEADERS | END_STREAM),
    "headers-on-lower-stream": frame(HEADERS, 5, POST, flags=END_HEADERS) + WHOLE,
    "headers-padding-too-long": frame(HEADERS, 1, b"\xff" + GET, flags=END_HEADERS | END_STREAM | PADDED),
    "headers-broken-off-by-data": frame(HEADERS, 1, GET) + frame(DATA, 1, b"x"),
    "headers-broken-off-by-ping": frame(HEADERS, 1, GET) + frame(PING, 0, bytes(8)),
    "headers-broken-off-by-headers": frame(HEADERS, 1, GET) + frame(HEADERS, 3, GET, flags=END_HEADERS),
    "headers-broken-off-by-unknown": frame(HEADERS, 1, GET) + frame(0xF0, 0),
    "continuation-alone": frame(CONTINUATION, 1, GET, flags=END_HEADERS),
    "continuation-of-another": frame(HEADERS, 1, GET) + frame(CONTINUATION, 3, b"", flags=END_HEADERS),
    "continuation-after-the-end": OPEN + frame(CONTINUATION, 1, b"", flags=END_HEADERS),
    "priority-on-stream-0": frame(PRIORITY, 0, bytes(5)),
    "reset-of-idle-stream": frame(RST_STREAM, 1, bytes(4)),
    "reset-on-stream-0": frame(RST_STREAM, 0, bytes(4)),
    "reset-of-odd-size": OPEN + frame(RST_STREAM, 1, bytes(3)),
    "settings-on-stream": frame(SETTINGS, 1),
    "settings-of-odd-size": frame(SETTINGS, 0, b"x"),
    "settings-answer-with-payload": frame(SETTINGS, 0, bytes(6), flags=ACK),
    "settings-push-2": setting(2, 2),
    "settings-window-too-large": setting(4, 2**31),
    "settings-frame-too-small": setting(5, 16_383),
    "settings-frame-too-large": setting(5, 2**24),
    "push-promise": frame(PUSH_PROMISE, 1, bytes([0, 0, 0, 2]) + GET, flags=END_HEADERS),
    "ping-of-odd-size": frame(PING, 0, bytes(7)),
    "ping-on-stream": frame(PING, 1, bytes(8)),
    "goaway-on-stream": frame(GOAWAY, 1, bytes(8)),
    "window-update-of-nothing": frame(WINDOW_UPDATE, 0, bytes(4)),
    "window-update-of-odd-size": frame(WINDOW_UPDATE, 0, bytes(3)),
    "window-update-of-idle-stream": frame(WINDOW_UPDATE, 1, b"\0\0\0\1"),
    "window-overflow": frame(WINDOW_UPDATE, 0, b"\x7f\xff\xff\xff"),
    "frame-too-large": frame(DATA, 1, b"", length=2**24 - 1),
    "hpack-index-out-of-range": frame(HEADERS, 1, b"\xff", flags=END_HEADERS | END_STREAM),
    "hpack-index-0": frame(HEADERS, 1, b"\x80", flags=END_HEADERS | END_STREAM),
    "hpack-table-too-large": frame(HEADERS, 1, b"\x3f\xff\xff\xff\x7f" + GET, flags=END_HEADERS | END_STREAM),
    "hpack-string-cut": frame(HEADERS, 1, b"\x00\x7fx", flags=END_HEADERS | END_STREAM),
    "hpack-huffman-padding": frame(HEADERS, 1, b"\x00\x82\x00\x00\x01x", flags=END_HEADERS | END_STREAM),
}
RESETS_THE_STREAM = {
    "window-update-of-nothing": OPEN + frame(WINDOW_UPDATE, 1, bytes(4)),
    "window-overflow": OPEN + frame(WINDOW_UPDATE, 1, b"\x7f\xff\xff\xff"),
    "trailers-that-do-not-end": OPEN + frame(HEADERS, 1, Encoder().encode([("x", "y")]), flags=END_HEADERS),
    "head-without-path": frame(HEADERS, 1, Encoder().encode(head()[:3]), flags=END_HEADERS | END_STREAM),
}
IS_BORNE = {
    "unknown-frame": frame(0xF0, 0, b"whatever"),
    "unknown-frame-on-stream": WHOLE + frame(0xF0, 1, b"whatever"),
    "unknown-flags": frame(PING, 0, bytes(8), flags=0xFE),
    "unknown-setting": setting(0xFF, 1),
    "priority-of-idle-stream": frame(PRIORITY, 7, bytes([0, 0, 0, 5, 1])),
    "reserved-bit": frame(PING, 2**31, bytes(8)),
    "ping-answer-unasked": frame(PING, 0, bytes(8), flags=ACK),
    "empty-data": frame(HEADERS, 1, POST, flags=END_HEADERS)
    + frame(DATA, 1, b"")
    + frame(DATA, 1, b"", flags=END_STREAM),
    "padded-data": OPEN + frame(DATA, 1, b"\x03x\0\0\0", flags=PADDED | END_STREAM),
    "head-in-pieces": frame(HEADERS, 1, b"", flags=END_STREAM)
    + b"".join(frame(CONTINUATION, 1, GET[index : index + 1]) for index in range(3))
    + frame(CONTINUATION, 1, GET[3:], flags=END_HEADERS),
    "reset-twice": OPEN + frame(RST_STREAM, 1, bytes(4)) * 2,
    "reset-for-an-unknown-reason": OPEN + frame(RST_STREAM, 1, number(0xFFFF_FFFF)),
    "padded-head": frame(HEADERS, 1, b"\x04" + GET + bytes(4), flags=END_HEADERS | END_STREAM | PADDED),
    "head-with-priority": frame(HEADERS, 1, bytes(4) + b"\xff" + GET, flags=END_HEADERS | END_STREAM | WITH_PRIORITY),
    "data-of-the-largest-frame": OPEN + frame(DATA, 1, bytes(16_384), flags=END_STREAM),
    "push-switched-off": setting(2, 0),
    "largest-window": setting(4, 2**31 - 1),
    "largest-frame": setting(5, 2**24 - 1),
    "settings-twice": setting(4, 1) + setting(4, 70_000),
    "priority-of-closed-stream": OPEN + frame(RST_STREAM, 1, bytes(4)) + frame(PRIORITY, 1, bytes(5)),
    "hpack-size-update": frame(HEADERS, 1, b"\x20\x3f\xe1\x1f" + GET, flags=END_HEADERS | END_STREAM),
    "window-update-after-reset": OPEN + frame(RST_STREAM, 1, bytes(4)) + frame(WINDOW_UPDATE, 1, b"\0\0\0\1"),
}


def table(cases: dict[str, bytes]) -> list[pytest.param]:
    return [pytest.param(data, id=name) for name, data in cases.items()]


@pytest.fixture(scope="module")
def served(module_balancer, localhost):
    return module_balancer(echoes, tls=Tls([localhost.pair]))


@pytest.mark.parametrize("data", table(ENDS_THE_CONNECTION))
def test_it_ends_the_connection(served, data):
    proxy, app = served
    client = proxy.http2()
    client.raw(data)
    assert client.ends()
    assert client.goaway != 0
    assert not any(message.complete and message.method == "GET" for message in app.requests)


@pytest.mark.parametrize("data", table(RESETS_THE_STREAM))
def test_it_ends_the_stream_at_least(served, data):
    """The connection may end with it; the request is never served as whole."""
    proxy, app = served
    client = proxy.http2()
    client.expect_stream()
    client.raw(data)
    client.until(lambda: client.closed or client.goaway is not None or client.replies[1].over)
    assert client.replies[1].reset is not None or not client.replies[1].ended or client.replies[1].status == 400
    assert not any(message.complete and message.method == "GET" for message in app.requests)


@pytest.mark.parametrize("data", table(IS_BORNE))
def test_it_is_borne(start_server, start_balancer, tls, data):
    client = start_balancer([start_server(echoes)], tls=tls).http2()
    client.expect_stream()
    client.raw(data)
    client.h2.ping(b"are you?")
    client.flush()
    client.until(lambda: client.pongs >= 1)
    assert client.goaway is None


def test_another_protocol_than_agreed_ends_the_connection(served, authority):
    proxy, _ = served
    client = proxy.client(tls=authority.client_context("h2"))
    client.send(request("GET", "/"))
    assert b"200 OK" not in client.rest()
