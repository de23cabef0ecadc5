"""Clients of the ingest server that lie about lengths, break off or dawdle: nothing of theirs is kept, others go on."""

from __future__ import annotations

import time

import pytest

from .ingest_service import Http2Poster, collection, post, told
from .wire import chunked, eventually, refuses, request

GOOD = collection({"a": "x" * 100}).encode()
BOTH = pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])

CHUNKS = {
    "no-size": b"\r\n" + GOOD,
    "size-in-words": b"ten\r\n0123456789\r\n0\r\n\r\n",
    "negative": b"-1\r\n" + GOOD,
    "beyond-64-bits": b"1" + b"0" * 16 + b"\r\n" + GOOD,
    "shorter-than-said": b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD) + 3, GOOD),
    "longer-than-said": b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD) - 5, GOOD),
    "bare-line-feeds": b"%x\n%s\n0\n\n" % (len(GOOD), GOOD),
    "endless-extension": b"%x;" % len(GOOD) + b"a" * 100_000,
    "endless-trailers": b"%x\r\n%s\r\n0\r\n" % (len(GOOD), GOOD) + b"name: value\r\n" * 10_000,
    "endless-line-in-trailers": b"%x\r\n%s\r\n0\r\n" % (len(GOOD), GOOD) + b"name: " + b"x" * 100_000,
    "malformed-trailers": b"%x\r\n%s\r\n0\r\nno colon\r\n\r\n" % (len(GOOD), GOOD),
}


@pytest.mark.parametrize("body", CHUNKS.values(), ids=CHUNKS.keys())
def test_malformed_chunks_end_the_connection_and_nothing_is_kept(start_ingest, body):
    service = start_ingest()
    client = service.client()
    client.send(request("POST", "/", "Transfer-Encoding: chunked", body=body))
    reply = client.response()
    assert (reply.status, told(reply)["error"]) == (400, "bad_request")
    assert reply["connection"] == "close"
    assert client.rest() == b""
    assert service.kept() == []
    assert service.post(GOOD).status == 200


def test_a_collection_in_chunks_of_a_byte_is_as_good_as_any(start_ingest):
    service = start_ingest()
    client = service.client()
    client.send(request("POST", "/", "Transfer-Encoding: chunked", body=chunked(*(b"%c" % byte for byte in GOOD))))
    assert client.response().status == 200
    assert len(service.kept()) == 1


def test_what_exceeds_the_length_is_no_part_of_the_collection(start_ingest):
    service = start_ingest()
    client = service.client()
    client.send(request("POST", "/", f"Content-Length: {len(GOOD)}", body=GOOD + GOOD))
    assert client.response().status == 200
    assert client.response().status == 400  # the rest, read as a request
    assert client.rest() == b""
    assert len(service.kept()) == 1


def test_a_length_that_cuts_the_collection_off_keeps_nothing_of_it(start_ingest):
    service = start_ingest()
    client = service.client()
    client.send(request("POST", "/", f"Content-Length: {len(GOOD) - 1}", body=GOOD))
    assert client.response().status == 400
    assert client.response().status == 400
    assert service.kept() == []


@BOTH
def test_a_body_that_ends_before_its_length_is_not_kept(start_ingest, http2):
    service = start_ingest(http2=http2)
    client = service.client()
    if http2:
        reply = client.hear(client.say(GOOD, f"Content-Length: {len(GOOD) + 1}", end=True))
        assert reply.reset is not None
        assert post(client, GOOD).status == 200
    else:
        client.say(GOOD, f"Content-Length: {len(GOOD) + 1}")
        client.half_close()
        assert client.rest() == b""
        assert service.post(GOOD).status == 200
    assert len(service.kept()) == 1


def test_a_stream_with_more_than_its_length_is_reset_and_the_others_go_on(start_ingest):
    service = start_ingest(http2=True)
    client = service.client()
    other = client.say(GOOD[:10], f"Content-Length: {len(GOOD)}")
    assert client.hear(client.say(GOOD, f"Content-Length: {len(GOOD) - 1}")).reset is not None
    client.data(other, GOOD[10:], end=True)
    assert client.hear(other).status == 200
    assert len(service.kept()) == 1


@BOTH
def test_a_client_that_breaks_off_leaves_nothing(start_ingest, http2):
    service = start_ingest(http2=http2, max_reading=1 << 20)
    for _ in range(20):
        client = service.client()
        client.give_up(client.say(b" " * 50_000, "Content-Length: 100000"))
    # All that was being read is forgotten: there is room for another body of that size.
    assert eventually(lambda: service.post(b" " * 900_000 + GOOD).status == 200)
    assert len(service.kept()) == 1


@BOTH
def test_a_client_that_drips_is_cut_and_told(start_ingest, http2):
    limits = {"body_grace": 0.3, "body_min_rate": 5000}
    service = start_ingest(http2=http2, limits=limits)
    client = service.client()
    stream = client.say(b"", "Content-Length: 100000")
    assert service.post(GOOD).status == 200
    assert eventually(lambda: not drips(client, stream))
    reply = client.hear(stream)
    assert (reply.status, told(reply)["error"]) == (408, "request_timeout")
    assert len(service.kept()) == 1


def drips(client, stream) -> bool:
    """Sends a byte after a pause; whether there is no answer yet."""
    time.sleep(0.02)
    if isinstance(client, Http2Poster):
        client.data(stream, b" ")
        client.pump(0.001)
        return not client.replies[stream].fields
    client.send(b" ")
    return not client.readable(0)


def test_a_slow_stream_does_not_hold_up_others_of_its_connection(start_ingest):
    service = start_ingest(http2=True, limits={"body_idle_timeout": 0.5})
    client = service.client()
    slow = client.say(b"{", "Content-Length: 100000")
    for _ in range(20):
        assert post(client, GOOD).status == 200
    assert client.hear(slow).status == 408
    assert post(client, GOOD).status == 200


def test_refused_uploads_give_the_connection_its_window_back(start_ingest):
    service = start_ingest(http2=True, max_length=100_000)
    client = service.client()
    for _ in range(40):
        assert post(client, b" " * 150_000).status == 413
        assert client.hear(client.say(b" " * 150_000)).status == 413
    assert post(client, b" " * 90_000 + GOOD).status == 200


def test_who_asks_first_is_refused_without_sending_the_body(start_ingest):
    service = start_ingest(max_length=1000)
    client = service.client()
    client.send(request("POST", "/", "Content-Length: 1001", "Expect: 100-continue"))
    reply = client.response()
    assert (reply.status, reply.interim) == (413, [])
    client = service.client()
    client.send(request("POST", "/", f"Content-Length: {len(GOOD)}", "Expect: 100-continue"))
    assert client.message().status == 100
    client.send(GOOD)
    assert client.response().status == 200


@BOTH
def test_an_upload_that_is_refused_unread_says_whether_the_connection_goes_on(start_ingest, http2):
    client = start_ingest(http2=http2, max_length=1000).client()
    assert "connection" not in post(client, b" " * 60_000)
    long = post(client, b" " * 500_000)
    assert long.status == 413
    assert ("connection" in long) != http2


def test_a_request_that_is_complete_when_it_stops_is_told_so(start_ingest, in_background):
    service = start_ingest()
    client = service.client()
    whole = request("POST", "/", f"Content-Length: {len(GOOD)}", body=GOOD)
    client.send(whole[:20])
    # One thread takes both: what came before has been read when this is answered.
    assert service.post(GOOD).status == 200
    stopping = in_background(service.engine.stop, 30.0)
    assert eventually(lambda: refuses(service.listener.address))
    client.send(whole[20:])
    reply = client.response()
    assert (reply.status, told(reply)["error"]) == (503, "stopping")
    assert int(reply["retry-after"]) >= 1
    assert client.rest() == b""
    assert stopping.result() is True
    assert len(service.kept()) == 1
