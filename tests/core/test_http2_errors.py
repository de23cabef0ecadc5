"""Which error a broken rule of HTTP/2 is told as: RFC 9113, section by section, and RFC 7541.

PROTOCOL_ERROR is good for each of them: it is the word where no better one is at hand (RFC 9113, 7).
"""

from __future__ import annotations

import pytest
from hpack import Encoder

from headrace._core import Tls

from .app_server import echoes
from .frames import (
    ACK,
    CANCEL,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GET,
    GOAWAY,
    HEADERS,
    NO_ERROR,
    PADDED,
    PING,
    POST,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    FrameClient,
    frame,
    number,
    setting,
)
from .http2 import PREFACE, head

OPEN = frame(HEADERS, 1, POST, flags=END_HEADERS)
WHOLE = frame(HEADERS, 1, GET, flags=END_HEADERS | END_STREAM)
RESET = OPEN + frame(RST_STREAM, 1, number(CANCEL))
FIELD = Encoder().encode([("x", "y")])
LARGEST = 2**31 - 1


def whole(block: bytes) -> bytes:
    return frame(HEADERS, 1, block, flags=END_HEADERS | END_STREAM)


def literal(name: bytes, value: bytes) -> bytes:
    """A field line without indexing (RFC 7541, 6.2.2); strings as they stand."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


CONNECTION_ERRORS = {
    # 4.2 Frame size
    "4.2-data-too-large": (OPEN + frame(DATA, 1, bytes(16_385)), {FRAME_SIZE_ERROR}),
    "4.2-headers-too-large": (frame(HEADERS, 1, bytes(16_385)), {FRAME_SIZE_ERROR}),
    "4.2-ping-too-large": (frame(PING, 0, bytes(16_385)), {FRAME_SIZE_ERROR}),
    # 4.3 Field sections
    "4.3-block-malformed": (whole(b"\x14\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), {COMPRESSION_ERROR}),
    "4.3-priority-within-block": (frame(HEADERS, 1, GET) + frame(PRIORITY, 1, bytes(5)), {PROTOCOL_ERROR}),
    "4.3-headers-within-block": (frame(HEADERS, 1, GET) + frame(HEADERS, 3, GET, flags=4), {PROTOCOL_ERROR}),
    "4.3-data-within-block": (frame(HEADERS, 1, POST) + frame(DATA, 1, b"x"), {PROTOCOL_ERROR}),
    "4.3-settings-within-block": (frame(HEADERS, 1, GET) + frame(SETTINGS, 0), {PROTOCOL_ERROR}),
    # 5.1 Stream states
    "5.1-idle-data": (frame(DATA, 1, b"x", flags=END_STREAM), {PROTOCOL_ERROR}),
    "5.1-idle-reset": (frame(RST_STREAM, 1, number(CANCEL)), {PROTOCOL_ERROR}),
    "5.1-idle-window-update": (frame(WINDOW_UPDATE, 1, number(100)), {PROTOCOL_ERROR}),
    "5.1-idle-continuation": (frame(CONTINUATION, 1, GET, flags=END_HEADERS), {PROTOCOL_ERROR}),
    "5.1.1-even-stream": (frame(HEADERS, 2, GET, flags=5), {PROTOCOL_ERROR}),
    "5.1.1-lower-stream": (frame(HEADERS, 5, GET, flags=5) + frame(HEADERS, 3, GET, flags=5), {PROTOCOL_ERROR}),
    # 5.5 Extensions
    "5.5-unknown-within-block": (frame(HEADERS, 1, GET) + frame(0x16, 0, bytes(8)), {PROTOCOL_ERROR}),
    # 6.1 DATA
    "6.1-stream-0": (frame(DATA, 0, b"x"), {PROTOCOL_ERROR}),
    "6.1-padding": (OPEN + frame(DATA, 1, b"\x06test", flags=PADDED | END_STREAM), {PROTOCOL_ERROR}),
    "6.1-padding-is-all": (OPEN + frame(DATA, 1, b"\x01", flags=PADDED | END_STREAM), {PROTOCOL_ERROR}),
    # 6.2 HEADERS
    "6.2-stream-0": (frame(HEADERS, 0, GET, flags=5), {PROTOCOL_ERROR}),
    "6.2-padding": (frame(HEADERS, 1, b"\xff" + GET, flags=5 | PADDED), {PROTOCOL_ERROR}),
    "6.2-priority-cut": (frame(HEADERS, 1, b"\0\0", flags=5 | WITH_PRIORITY), {PROTOCOL_ERROR, FRAME_SIZE_ERROR}),
    "6.2-padding-and-priority-cut": (
        frame(HEADERS, 1, b"\x02\0\0\0\0\0\0", flags=5 | PADDED | WITH_PRIORITY),
        {PROTOCOL_ERROR, FRAME_SIZE_ERROR},
    ),
    # 6.3 PRIORITY
    "6.3-stream-0": (frame(PRIORITY, 0, b"\x80\0\0\1\xff"), {PROTOCOL_ERROR}),
    # 6.4 RST_STREAM
    "6.4-stream-0": (frame(RST_STREAM, 0, number(CANCEL)), {PROTOCOL_ERROR}),
    "6.4-size": (OPEN + frame(RST_STREAM, 1, bytes(3)), {FRAME_SIZE_ERROR}),
    # 6.5 SETTINGS
    "6.5-answer-with-payload": (frame(SETTINGS, 0, b"\0", flags=ACK), {FRAME_SIZE_ERROR}),
    "6.5-stream": (frame(SETTINGS, 1, b"\0\3\0\0\0\x64"), {PROTOCOL_ERROR}),
    "6.5-size": (frame(SETTINGS, 0, b"\0\3\0"), {FRAME_SIZE_ERROR}),
    "6.5.2-push": (setting(2, 2), {PROTOCOL_ERROR}),
    "6.5.2-window": (setting(4, 2**31), {FLOW_CONTROL_ERROR}),
    "6.5.2-frame-below": (setting(5, 16_383), {PROTOCOL_ERROR}),
    "6.5.2-frame-above": (setting(5, 2**24), {PROTOCOL_ERROR}),
    # 6.6 PUSH_PROMISE
    "6.6-from-client": (OPEN + frame(PUSH_PROMISE, 1, number(2) + GET, flags=END_HEADERS), {PROTOCOL_ERROR}),
    # 6.7 PING
    "6.7-stream": (frame(PING, 1, bytes(8)), {PROTOCOL_ERROR}),
    "6.7-size": (frame(PING, 0, bytes(6)), {FRAME_SIZE_ERROR}),
    # 6.8 GOAWAY
    "6.8-stream": (frame(GOAWAY, 1, bytes(8)), {PROTOCOL_ERROR}),
    "6.8-size": (frame(GOAWAY, 0, bytes(4)), {FRAME_SIZE_ERROR}),
    # 6.9 WINDOW_UPDATE
    "6.9-nothing": (frame(WINDOW_UPDATE, 0, number(0)), {PROTOCOL_ERROR}),
    "6.9-size": (frame(WINDOW_UPDATE, 0, bytes(3)), {FRAME_SIZE_ERROR}),
    "6.9.1-overflow": (frame(WINDOW_UPDATE, 0, number(LARGEST)) * 2, {FLOW_CONTROL_ERROR}),
    # 6.10 CONTINUATION
    "6.10-stream-0": (frame(HEADERS, 1, GET) + frame(CONTINUATION, 0, FIELD, flags=4), {PROTOCOL_ERROR}),
    "6.10-another-stream": (frame(HEADERS, 1, GET) + frame(CONTINUATION, 3, FIELD, flags=4), {PROTOCOL_ERROR}),
    "6.10-after-a-whole-head": (OPEN + frame(CONTINUATION, 1, FIELD, flags=4), {PROTOCOL_ERROR}),
    "6.10-after-the-last": (
        frame(HEADERS, 1, POST) + frame(CONTINUATION, 1, FIELD, flags=4) * 2,
        {PROTOCOL_ERROR},
    ),
    "6.10-after-data": (OPEN + frame(DATA, 1, b"x") + frame(CONTINUATION, 1, FIELD, flags=4), {PROTOCOL_ERROR}),
    # RFC 7541
    "hpack-2.3.3-index": (whole(GET + b"\xff\x07"), {COMPRESSION_ERROR}),
    "hpack-2.3.3-name-index": (whole(GET + b"\x0f\x40\x01x"), {COMPRESSION_ERROR}),
    "hpack-4.2-size-after-fields": (whole(GET + b"\x20"), {COMPRESSION_ERROR}),
    "hpack-5.1-endless-number": (whole(GET + b"\xff" + b"\x80" * 12 + b"\x01"), {COMPRESSION_ERROR}),
    "hpack-5.2-long-padding": (whole(GET + b"\x00\x01x\x82\x1f\xff"), {COMPRESSION_ERROR}),
    "hpack-5.2-padding-of-zeros": (whole(GET + b"\x00\x01x\x81\x18"), {COMPRESSION_ERROR}),
    "hpack-5.2-end-of-string": (whole(GET + b"\x00\x01x\x84\xff\xff\xff\xff"), {COMPRESSION_ERROR}),
    "hpack-5.2-string-cut": (whole(GET + b"\x00\x01x\x7f"), {COMPRESSION_ERROR}),
    "hpack-6.1-index-0": (whole(GET + b"\x80"), {COMPRESSION_ERROR}),
    "hpack-6.3-too-large": (whole(b"\x3f\xe1\x1f\x3f\xe2\xff\xff\x7f" + GET), {COMPRESSION_ERROR}),
}
STREAM_ERRORS = {
    "5.1-half-closed-data": (WHOLE + frame(DATA, 1, b"x", flags=END_STREAM), {STREAM_CLOSED}),
    "5.1-half-closed-headers": (WHOLE + whole(GET), {STREAM_CLOSED, PROTOCOL_ERROR}),
    "5.1-reset-data": (RESET + frame(DATA, 1, b"x"), {STREAM_CLOSED}),
    "5.1-reset-headers": (RESET + whole(GET), {STREAM_CLOSED, PROTOCOL_ERROR}),
    "5.3.1-depends-on-itself": (
        frame(HEADERS, 1, b"\0\0\0\1\xff" + GET, flags=5 | WITH_PRIORITY),
        {PROTOCOL_ERROR},
    ),
    "6.3-size": (OPEN + frame(PRIORITY, 1, bytes(4)), {FRAME_SIZE_ERROR}),
    "6.9-nothing": (OPEN + frame(WINDOW_UPDATE, 1, number(0)), {PROTOCOL_ERROR}),
    "6.9.1-overflow": (OPEN + frame(WINDOW_UPDATE, 1, number(LARGEST)) * 2, {FLOW_CONTROL_ERROR}),
    "8.1-second-head-goes-on": (OPEN + frame(HEADERS, 1, FIELD, flags=END_HEADERS), {PROTOCOL_ERROR}),
    "8.1.1-data-beyond-the-length": (
        frame(HEADERS, 1, POST + literal(b"content-length", b"1"), flags=END_HEADERS) + frame(DATA, 1, b"test"),
        {PROTOCOL_ERROR},
    ),
    "8.1.1-data-below-the-length": (
        frame(HEADERS, 1, POST + literal(b"content-length", b"9"), flags=END_HEADERS)
        + frame(DATA, 1, b"te")
        + frame(DATA, 1, b"st", flags=END_STREAM),
        {PROTOCOL_ERROR},
    ),
    "8.1.1-no-data-for-the-length": (whole(POST + literal(b"content-length", b"9")), {PROTOCOL_ERROR}),
    "8.1.1-trailers-before-the-length": (
        frame(HEADERS, 1, POST + literal(b"content-length", b"9"), flags=END_HEADERS)
        + frame(DATA, 1, b"test")
        + frame(HEADERS, 1, FIELD, flags=END_HEADERS | END_STREAM),
        {PROTOCOL_ERROR},
    ),
    "8.2-upper-case": (whole(GET + literal(b"X-Test", b"y")), {PROTOCOL_ERROR}),
    "8.2-upper-case-trailer": (
        OPEN + frame(HEADERS, 1, literal(b"X-Test", b"y"), flags=END_HEADERS | END_STREAM),
        {PROTOCOL_ERROR},
    ),
    "8.2.2-connection": (whole(GET + literal(b"connection", b"keep-alive")), {PROTOCOL_ERROR}),
    "8.2.2-te": (whole(GET + literal(b"te", b"trailers, deflate")), {PROTOCOL_ERROR}),
    "8.3-unknown": (whole(GET + literal(b":test", b"y")), {PROTOCOL_ERROR}),
    "8.3-of-a-response": (whole(GET + literal(b":status", b"200")), {PROTOCOL_ERROR}),
    "8.3-after-a-field": (whole(GET[:-1] + FIELD + GET[-1:]), {PROTOCOL_ERROR}),
    "8.3.1-path-empty": (whole(Encoder().encode([*head()[:3], (":path", "")])), {PROTOCOL_ERROR}),
    **{
        f"8.3.1-without-{name[1:]}": (
            whole(Encoder().encode([field for field in head() if field[0] != name])),
            {PROTOCOL_ERROR},
        )
        for name in (":method", ":scheme", ":path")
    },
    **{
        f"8.3.1-twice-{name[1:]}": (whole(Encoder().encode([(name, value), *head()])), {PROTOCOL_ERROR})
        for name, value in head()
    },
    "8.5-connect-with-path": (whole(Encoder().encode(head("CONNECT"))), {PROTOCOL_ERROR}),
}


@pytest.fixture(scope="module")
def served(module_balancer, localhost):
    return module_balancer(echoes, tls=Tls([localhost.pair]))


@pytest.fixture
def connect(served, authority):
    """Opens connections to a balancer with an app server behind it."""
    clients = []

    def start(*said: bytes) -> FrameClient:
        clients.append(FrameClient(served[0].address, authority.client_context("h2"), *said))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


def table(cases: dict[str, tuple[bytes, set[int]]]) -> list[pytest.param]:
    return [pytest.param(*case, id=name) for name, case in cases.items()]


@pytest.mark.parametrize(("said", "codes"), table(CONNECTION_ERRORS))
def test_a_connection_error_is_told_by_its_code(connect, said, codes):
    client = connect()
    client.send(said)
    assert client.first(GOAWAY).code in {*codes, PROTOCOL_ERROR}
    client.until(lambda: client.closed)


@pytest.mark.parametrize(("said", "codes"), table(STREAM_ERRORS))
def test_a_stream_error_is_told_by_its_code(connect, said, codes):
    """By a reset of the stream, or the end of the connection; a malformed request may get a 400 as well."""
    client = connect()
    client.send(said)
    told = {seen.code for seen in client.drain() if seen.kind == GOAWAY or (seen.kind, seen.stream) == (RST_STREAM, 1)}
    refused = client.all(HEADERS, 1) and client.status(1) == 400
    assert refused or told
    assert told <= {*codes, PROTOCOL_ERROR, NO_ERROR}


LATE = {
    "5.1-closed-data": (frame(DATA, 1, b"x", flags=END_STREAM), {STREAM_CLOSED}),
    "5.1-closed-headers": (whole(GET), {STREAM_CLOSED, PROTOCOL_ERROR}),
    "5.1-closed-continuation": (frame(CONTINUATION, 1, GET, flags=END_HEADERS), {STREAM_CLOSED, PROTOCOL_ERROR}),
}


@pytest.mark.parametrize(("said", "codes"), table(LATE))
def test_what_comes_after_both_ends_is_an_error(connect, served, said, codes):
    client = connect()
    client.send(WHOLE)
    client.until(lambda: any(seen.flags & END_STREAM for seen in client.all(DATA, 1)))
    before = len(served[1].requests)
    client.send(said)
    told = {seen.code for seen in client.drain() if seen.kind in {GOAWAY, RST_STREAM}}
    assert told & {*codes, PROTOCOL_ERROR}
    assert len(served[1].requests) == before


@pytest.mark.parametrize(
    "said",
    [
        b"INVALID CONNECTION PREFACE\r\n\r\n" + frame(SETTINGS, 0),
        PREFACE[:-1] + b"x" + frame(SETTINGS, 0),
        PREFACE + OPEN,
        PREFACE + frame(PING, 0, bytes(8)),
    ],
    ids=["other-words", "last-byte", "head-first", "ping-first"],
)
def test_a_connection_begins_with_its_preface(connect, said):
    """3.4: the magic words and then settings, or it is no HTTP/2."""
    client = connect(said)
    client.until(lambda: client.closed)
    assert not client.all(HEADERS)
    assert all(goaway.code == PROTOCOL_ERROR for goaway in client.all(GOAWAY))


def test_streams_over_the_limit_are_refused(start_server, start_balancer, tls, authority):
    """5.1.2: so that the client may send them again."""
    proxy = start_balancer([start_server(echoes)], tls=tls, limits={"streams": 2})
    client = FrameClient(proxy.address, authority.client_context("h2"))
    client.first(SETTINGS)
    client.send(frame(SETTINGS, 0, flags=ACK))
    client.send(b"".join(frame(HEADERS, stream, POST, flags=END_HEADERS) for stream in (1, 3, 5)))
    assert client.first(RST_STREAM, 5).code == REFUSED_STREAM
    assert not client.all(GOAWAY)
    client.close()


def test_more_than_the_window_is_an_error(start_server, start_balancer, tls, authority):
    """6.9.1: in one frame, so that no update can come between."""
    app = start_server(echoes)
    proxy = start_balancer([app], tls=tls, limits={"stream_window": 1000})
    client = FrameClient(proxy.address, authority.client_context("h2"))
    client.first(SETTINGS)
    client.send(frame(SETTINGS, 0, flags=ACK) + OPEN + frame(DATA, 1, bytes(1001), flags=END_STREAM))
    told = [seen.code for seen in client.drain() if seen.kind in {RST_STREAM, GOAWAY}]
    assert told == [FLOW_CONTROL_ERROR]
    assert not any(message.complete for message in app.requests)
    client.close()
