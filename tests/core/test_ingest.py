"""The ingest server over the wire: what the contract says of each status, and that nothing refused is kept."""

from __future__ import annotations

import gzip
import json
import threading

import pytest
import zstandard

from .ingest_service import collection, post, told
from .wire import PATIENCE, eventually

MEGABYTE = 1 << 20


@pytest.fixture(params=["http1", "http2"])
def start(request, start_ingest):
    """Starts ingest servers; each test is done over either protocol."""
    return lambda **options: start_ingest(http2=request.param == "http2", **options)


def test_what_is_accepted_is_numbered_and_in_the_journal(start):
    service = start()
    assert told(service.post(collection({"a": 1}, "two", None))) == {
        "accepted": 3,
        "first": 1,
        "last": 3,
        "ack": "disk",
    }
    assert told(service.post(collection([4])))["first"] == 4
    assert service.kept() == [b'{"a": 1}', b'"two"', b"null", b"[4]"]
    assert service.journal.status().counts["syncs"] >= 2


def test_a_payload_is_kept_as_the_bytes_that_came(start):
    service = start()
    service.post('{"data":[ {"b":1.0e2 ,"b":"\\u00e9é"} ],"token":"","version":""}')
    assert service.kept() == ['{"b":1.0e2 ,"b":"\\u00e9é"}'.encode()]


def test_a_payload_is_one_line_wherever_it_lands(start):
    service = start()
    payloads = [{"a": [1, 2]}, "two\nlines"]
    assert service.post(json.dumps({"version": "1", "token": "", "data": payloads}, indent=2)).status == 200
    assert [json.loads(line) for line in service.kept()] == payloads


def test_an_empty_collection_is_accepted_and_leaves_no_trace(start):
    service = start()
    assert told(service.post(collection())) == {"accepted": 0, "first": None, "last": None, "ack": "disk"}
    assert service.kept() == []


BAD = {
    "nothing": b"",
    "no-json": b"nonsense",
    "cut-off": b'{"version": "1", "token": "", "data": [1',
    "array": b"[]",
    "no-data": b'{"version": "1", "token": ""}',
    "no-token": b'{"version": "1", "data": [1]}',
    "data-is-no-array": b'{"version": "1", "token": "", "data": {"a": 1}}',
    "twice": b'{"version": "1", "token": "", "data": [1], "data": [2]}',
    "unknown-field": b'{"version": "1", "token": "", "data": [1], "more": 2}',
    "two-values": b'{"version": "1", "token": "", "data": [1]} 1',
    "no-utf-8": b'{"version": "1", "token": "", "data": ["\xff"]}',
    "nan": b'{"version": "1", "token": "", "data": [NaN]}',
    "bomb": b'{"version": "1", "token": "", "data": [' + b"[" * 400_000 + b"]" * 400_000 + b"]}",
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_what_is_no_collection_is_refused_and_nothing_of_it_kept(start, body):
    service = start()
    client = service.client()
    reply = post(client, body)
    assert (reply.status, told(reply)["error"]) == (400, "bad_request")
    assert reply["content-type"] == "application/json; charset=UTF-8"
    assert service.kept() == []
    # A mistake in one collection is none in the connection.
    assert post(client, collection(1)).status == 200


def test_only_configured_tokens_are_let_in(start):
    service = start(tokens=["one", "two"])
    assert service.post(collection(1, token="two")).status == 200
    for token in ("", "on", "one "):
        reply = service.post(collection(2, token=token))
        assert (reply.status, told(reply)["error"]) == (401, "unauthorized")
    assert service.kept() == [b"1"]


def test_only_post_is_understood(start):
    client = start().client()
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        reply = post(client, b"", method=method)
        assert (reply.status, reply["allow"]) == (405, "POST")


def test_streams_have_paths_and_other_paths_nothing(start):
    service = start(streams=[("/clicks", 1), ("/views", 2)])
    assert service.post(collection(1), target="/clicks?from=here").status == 200
    assert service.post(collection(2), target="/views").status == 200
    assert service.post(collection(3), target="/").status == 404
    slices = service.journal.open_from(0, max_payloads=10, max_bytes=1000)
    assert [(piece.stream, piece.lines) for piece in slices] == [(1, b"1\n"), (2, b"2\n")]


def test_a_collection_may_come_compressed(start):
    service = start()
    body = collection("x" * 10_000).encode()
    assert service.post(gzip.compress(body), "Content-Encoding: GZIP").status == 200
    assert service.post(zstandard.compress(body), "Content-Encoding: zstd").status == 200
    assert len(service.kept()) == 2
    assert service.post(body, "Content-Encoding: gzip").status == 400
    assert service.post(gzip.compress(body)[:-5], "Content-Encoding: gzip").status == 400
    for unknown in ("br", "gzip, gzip", "deflate"):
        reply = service.post(body, f"Content-Encoding: {unknown}")
        assert (reply.status, reply["accept-encoding"]) == (415, "gzip, zstd")
    assert len(service.kept()) == 2


def test_a_body_over_the_limit_is_refused_before_it_is_sent(start):
    service = start(max_length=1000)
    assert service.begin(b"", "Content-Length: 1001").status == 413


def test_a_body_that_grows_over_the_limit_is_refused(start):
    service = start(max_length=1000)
    assert service.begin(b"x" * 1001).status == 413
    bomb = gzip.compress(collection("x" * 50_000_000).encode())
    assert len(bomb) < 100_000
    assert start(folder="other").post(bomb, "Content-Encoding: gzip").status == 413


def test_the_same_key_and_collection_get_the_same_reply(start):
    service = start()
    first = service.post(collection(1), "Idempotency-Key: one")
    assert service.post(collection(1), "Idempotency-Key: one").body == first.body
    reply = service.post(collection(2), "Idempotency-Key: one")
    assert (reply.status, told(reply)["error"]) == (422, "idempotency_key_reused")
    assert service.kept() == [b"1"]
    for key in ("", "x" * 256):
        assert service.post(collection(3), f"Idempotency-Key: {key}").status == 400


def test_keys_outlive_a_restart_and_end_with_their_window(start):
    service = start()
    first = service.post(collection(1), "Idempotency-Key: one")
    service.close()
    again = start()
    assert again.post(collection(1), "Idempotency-Key: one").body == first.body
    again.close()
    later = start(window=0.0)
    assert told(later.post(collection(1), "Idempotency-Key: one"))["first"] == 2


def test_a_full_queue_says_when_to_come_back_before_the_body_is_sent(start):
    service = start(journal={"max_payloads": 3})
    service.server.set_retry_after(7.2)
    assert service.post(collection(1, 2, 3)).status == 200
    reply = service.begin(b"", "Content-Length: 100000")
    assert (reply.status, told(reply)["error"], reply["retry-after"]) == (503, "queue_full", "8")
    (seal,) = [service.journal.seal(0, 1, 3, b"")]
    service.journal.landed(seal.id)
    assert service.post(collection(4)).status == 200


def test_a_disk_without_room_is_told_as_such(start):
    service = start(journal={"reserve_bytes": 1 << 60})
    reply = service.post(collection(1))
    assert (reply.status, told(reply)["error"], reply["retry-after"]) == (507, "disk_full", "1")
    assert service.kept() == []


def test_memory_answers_without_waiting_and_says_so(start):
    service = start(ack="memory")
    assert told(service.post(collection(1)))["ack"] == "memory"
    assert eventually(lambda: service.kept() == [b"1"])


def test_object_answers_when_it_has_landed(start, in_background):
    service = start(ack="object")
    reply = in_background(lambda: service.post(collection(1)))
    assert service.journal.wait(1, PATIENCE)
    seal = service.journal.seal(0, 1, 1, b"")
    assert not reply.done
    service.journal.landed(seal.id)
    assert told(reply.result(PATIENCE))["ack"] == "object"


def test_object_says_what_holds_when_landing_takes_too_long(start):
    assert told(start(ack="object", landing_timeout=0.2).post(collection(1)))["ack"] == "disk"


def test_a_client_that_stops_in_the_middle_is_told_and_nothing_kept(start):
    service = start(limits={"body_idle_timeout": 0.5})
    assert service.begin(b'{"version"', "Content-Length: 100").status == 408
    assert service.kept() == []


def test_a_client_that_leaves_while_it_waits_leaves_nothing_waiting(start):
    service = start(ack="object")
    for number in range(1, 20):
        client = service.client()
        asked = client.say(collection(number).encode(), end=True)
        assert service.journal.wait(number, PATIENCE)
        client.give_up(asked)
    assert len(service.kept()) == 19


def test_bodies_under_way_are_bounded_together(start):
    service = start(max_length=MEGABYTE, max_reading=MEGABYTE)
    service.client().say(b" " * 900_000, "Content-Length: 1000000")
    assert eventually(lambda: service.engine.counters().bytes_received > 900_000)
    reply = service.post(b" " * 500_000)
    assert (reply.status, told(reply)["error"]) == (503, "overloaded")


def test_many_at_once_share_syncs_and_get_numbers_of_their_own(start):
    service = start()
    firsts: list[int] = []

    def posts() -> None:
        client = service.client()
        firsts.extend(told(post(client, collection(1, 2)))["first"] for _ in range(50))

    threads = [threading.Thread(target=posts) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(firsts) == list(range(1, 801, 2))
    counts = service.journal.status().counts
    assert counts["appended"] == 800
    assert counts["syncs"] < 400
