"""The cache server over the wire: values and their times, refusals, leases and what goes together."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from .cache_service import HOUR, TOKEN, Service, ask, send, told
from .wire import eventually, request

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = 8192
"""Bytes of the longest key."""


@pytest.fixture(params=["http1", "http2"])
def start(request, tls, authority) -> Callable[..., Service]:
    """Starts cache servers; each test is done over either protocol."""
    started = []

    def begin(**options):
        secure = (tls, authority.client_context("h2")) if request.param == "http2" else None
        started.append(Service(secure, **options))
        return started[-1]

    yield begin
    for service in started:
        service.close()


@pytest.fixture
def cache(start) -> Service:
    return start()


def test_what_was_put_is_got_with_its_type_age_and_the_rest_of_its_life(cache):
    stored = cache.put("a", b"value", "Content-Type: text/plain", "Cache-Control: max-age=60, stale-while-revalidate=9")
    assert (stored.status, stored.body) == (204, b"")
    answer = cache.get("a")
    assert (answer.status, answer.body) == (200, b"value")
    assert (answer["content-type"], answer["content-length"]) == ("text/plain", "5")
    assert answer["age"] == "0"
    assert answer["cache-control"] in {f"max-age={left}, stale-while-revalidate=9" for left in (59, 60)}
    assert len(answer["etag"]) == 18


def test_post_puts_too_and_maxage_is_understood(cache):
    assert cache.ask("POST", "/?key=a", "Cache-Control: maxage=60", body=b"value").status == 204
    assert (cache.get("a").body, cache.get("a")["content-type"]) == (b"value", "application/octet-stream")


def test_what_is_not_there_is_not_found_and_no_mistake(cache):
    answer = cache.get("a")
    assert (answer.status, told(answer)["error"], answer["cache-control"]) == (404, "not_found", "no-store")
    assert cache.engine.counters().refused["not_found"] == 0


def test_head_tells_what_get_would(cache):
    cache.put("a", b"value")
    got, told_of = cache.get("a"), cache.ask("HEAD", "/?key=a")
    assert (told_of.status, bytes(told_of.body)) == (200, b"")
    assert (told_of["content-length"], told_of["etag"]) == ("5", got["etag"])
    assert cache.ask("HEAD", "/?key=b").status == 404


@pytest.mark.parametrize("value", [b"", b"\0\r\n\xff", bytes(range(256)) * 4, b"x" * 100_000, b"y" * 5_000_000])
def test_values_are_any_bytes_of_any_length(cache, value):
    assert cache.put("a", value).status == 204
    answer = cache.get("a")
    assert (answer.status, bytes(answer.body) == value) == (200, True)


@pytest.mark.parametrize(
    "key",
    ["a", "post:3", "a/b?c=d&e", "a b+c%", "\N{LATIN SMALL LETTER U WITH DIAERESIS}\U0001f600", b"\0\xff\n", "k" * KEY],
)
def test_keys_are_any_bytes_up_to_their_length(cache, key):
    assert cache.put(key, b"value").status == 204
    assert cache.get(key).body == b"value"
    assert cache.ask("DELETE", f"/?key={quote(key, safe='')}").status == 204
    assert cache.get(key).status == 404


def test_a_plus_in_a_target_is_a_space(cache):
    cache.put("a b", b"value")
    assert cache.ask("GET", "/?key=a+b").body == b"value"


def test_a_request_without_a_body_puts_the_empty_value(cache):
    assert cache.ask("PUT", "/?key=a", HOUR).status == 204
    assert (cache.get("a").status, cache.get("a").body) == (200, b"")


def test_bodies_in_pieces_are_put_whole(cache):
    client = cache.client()
    answer = client.hear(client.say(b"value", TOKEN, HOUR, target="/?key=a", method="PUT", end=True))
    assert (answer.status, cache.get("a").body) == (204, b"value")


def test_a_connection_serves_many(cache):
    client = cache.client()
    for number in range(50):
        assert ask(client, "PUT", "/?key=a", TOKEN, HOUR, body=str(number)).status == 204
        assert ask(client, "GET", "/?key=a", TOKEN).body == str(number).encode()
        assert ask(client, "GET", "/?key=b", TOKEN).status == 404


def test_what_the_client_has_is_not_sent_again(cache):
    cache.put("a", b"value")
    etag = cache.get("a")["etag"]
    for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = cache.get("a", f"If-None-Match: {condition}")
        assert (answer.status, answer.body, answer["etag"]) == (304, b"", etag)
        assert "max-age" in answer["cache-control"]
    assert cache.get("a", 'If-None-Match: "other"').status == 200
    cache.put("a", b"value")
    assert cache.get("a", f"If-None-Match: {etag}").status == 200, "each version has a tag of its own"


def test_what_is_over_is_never_served_and_what_is_stale_only_to_those_who_take_it(cache):
    cache.put("over", b"old", "Cache-Control: max-age=0.05")
    cache.put("stale", b"old", "Cache-Control: max-age=0.05, stale-while-revalidate=60")
    assert eventually(lambda: cache.get("over").status == 404)
    assert eventually(lambda: cache.get("stale").status == 404)
    answer = cache.get("stale", "Cache-Control: max-stale")
    assert (answer.status, answer.body) == (200, b"old")
    assert answer["cache-control"].startswith("max-age=0, stale-while-revalidate=5")
    assert cache.get("over", "Cache-Control: max-stale").status == 404


def test_a_value_that_is_fresh_for_less_than_a_second_is_not_called_stale(cache):
    cache.put("a", b"value", "Cache-Control: max-age=0.9")
    answer = cache.get("a")
    assert answer.status == 404 or 0 < float(answer["cache-control"].removeprefix("max-age=")) < 0.9


def test_deleting_tells_whether_there_was_something(cache):
    cache.put("a", b"value")
    assert [cache.ask("DELETE", "/?key=a").status for _ in range(2)] == [204, 404]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_invalidation_is_by_key_tag_or_prefix_and_tells_how_many(cache, method):
    cache.put("post:1", b"1", "Cache-Tags: posts, one")
    cache.put("post:2", b"2", "Cache-Tag: posts")
    cache.put("page:1", b"3", "Surrogate-Key: posts pages")
    cache.put("page:2", b"4")

    def count(what):
        answer = cache.ask(method, f"/invalidate?{what}")
        assert answer.status == 200
        return told(answer)

    assert count("key=post:2") == {"invalidated": 1}
    assert count("tag=posts") == {"invalidated": 2}
    assert count("tag=posts") == {"invalidated": 0}
    assert count("prefix=page") == {"invalidated": 1}
    assert count("prefix=") == {"invalidated": 0}
    assert [cache.get(key).status for key in ("post:1", "post:2", "page:1", "page:2")] == [404] * 4


@pytest.mark.parametrize("what", ["key=a", "tag=t", "prefix=a"])
def test_soft_invalidation_makes_stale(cache, what):
    cache.put("a", b"value", "Cache-Control: max-age=60, stale-while-revalidate=60", "Cache-Tags: t")
    assert told(cache.ask("POST", f"/invalidate?{what}&soft=1")) == {"invalidated": 1}
    assert cache.get("a").status == 404
    assert cache.get("a", "Cache-Control: max-stale").body == b"value"


MISTAKES = [
    ("GET", "/", (), None, 400, "key is missing"),
    ("GET", "/?key=", (), None, 400, "key is empty"),
    ("GET", "/?key=a&key=b", (), None, 400, "key comes twice"),
    ("GET", "/?key=%zz", (), None, 400, "hexadecimal"),
    ("GET", "/?k=a", (), None, 400, "there is no parameter"),
    ("GET", f"/?key={'k' * (KEY + 1)}", (), None, 414, "at most 8192 bytes"),
    ("GET", "/?key=a&lease=-1", (), None, 400, "lease is a number"),
    ("GET", "/?key=a&wait=1", (), None, 400, "wait goes with lease"),
    ("HEAD", "/?key=a&lease=1", (), None, 400, None),
    ("PUT", "/?key=a", (), b"v", 400, "Cache-Control: max-age=60"),
    ("PUT", "/?key=a", ("Cache-Control: no-store",), b"v", 400, "Cache-Control: max-age=60"),
    ("PUT", "/?key=a", ("Cache-Control: max-age=0",), b"v", 400, "never be served"),
    ("PUT", "/?key=a", ("Cache-Control: max-age=-1",), b"v", 400, "number of seconds"),
    ("PUT", "/?key=a", ("Cache-Control: max-age=ten",), b"v", 400, "number of seconds"),
    ("PUT", "/?key=a", ("Cache-Control: max-age=1, max-age=2",), b"v", 400, "comes twice"),
    ("PUT", "/?key=a", (HOUR, "Cache-Tags: " + "t," * 65), b"v", 400, "at most 64 tags"),
    ("PUT", "/?key=a", (HOUR, "Cache-Tags: " + "t" * 1025), b"v", 400, "1 to 1024 bytes"),
    ("PUT", "/?key=a", (HOUR, "Content-Encoding: gzip"), b"v", 415, "Content-Encoding"),
    ("PUT", "/?key=a", (HOUR, "Content-Type: " + "t" * 257), b"v", 400, "Content-Type"),
    ("PUT", "/?key=a", (HOUR, "If-None-Match: *"), b"v", 400, "no conditions"),
    ("PUT", "/?key=a", (HOUR, "Lease: held"), b"v", 400, "a lease is the number"),
    ("PUT", "/?key=a&soft=1", (HOUR,), b"v", 400, "there is no parameter"),
    ("DELETE", "/", (), None, 400, "key is missing"),
    ("DELETE", "/?key=a", ('If-Match: "1"',), None, 400, "no conditions"),
    ("PATCH", "/?key=a", (HOUR,), b"v", 405, None),
    ("OPTIONS", "/?key=a", (), None, 405, None),
    ("POST", "/invalidate", (), b"", 400, "one of key, tag and prefix"),
    ("POST", "/invalidate?key=a&tag=b", (), b"", 400, "one of key, tag and prefix"),
    ("POST", "/invalidate?key=a&soft=yes", (), b"", 400, "soft is 1 or 0"),
    ("DELETE", "/invalidate?key=a", (), None, 405, None),
    ("DELETE", "/lease?key=a", (), None, 400, "id is missing"),
    ("DELETE", "/lease?key=a&id=x", (), None, 400, "a lease is the number"),
    ("GET", "/lease?key=a&id=1", (), None, 405, None),
    ("GET", "/batch", (), None, 405, None),
    ("POST", "/batch", (), b"nonsense", 400, "operation 1"),
    ("POST", "/stats", (), b"", 405, None),
    ("POST", "/events", (), b"", 405, None),
    ("GET", "/other", (), None, 404, "There is /?key=NAME"),
]


@pytest.mark.parametrize(("method", "target", "fields", "body", "status", "reason"), MISTAKES)
def test_mistakes_are_answered_with_the_reason(cache, method, target, fields, body, status, reason):
    answer = cache.ask(method, target, *fields, body=body)
    assert answer.status == status
    if reason:
        assert reason in told(answer)["message"]
    assert cache.get("a").status == 404, "nothing was stored"
    assert ("allow" in answer) == (status == 405)


def test_lifetimes_beyond_all_bounds_are_long(cache):
    assert cache.put("a", b"value", "Cache-Control: max-age=99999999999999999999").status == 204
    assert cache.get("a")["cache-control"] in {f"max-age={2**31 - gone}" for gone in (0, 1)}


def test_values_over_the_limit_are_refused_before_they_are_read(start):
    service = start(max_value=1000)
    assert service.put("a", b"x" * 1000).status == 204
    answer = service.begin(b"x", "Content-Length: 1001")
    assert (answer.status, "1000 bytes" in told(answer)["message"]) == (413, True)
    answer = service.begin(b"x" * 2000)
    assert answer.status == 413, "one that did not tell its length"
    assert service.get("a").body == b"x" * 1000


def test_bodies_that_take_too_long_are_given_up(start):
    service = start(limits={"body_idle_timeout": 0.2})
    answer = service.begin(b"x", "Content-Length: 10")
    assert (answer.status, told(answer)["error"]) == (408, "request_timeout")
    assert service.get("a").status == 404


def test_as_many_bodies_are_read_at_once_as_there_is_room_for(start):
    service = start(max_value=1_000_000, max_batch=1_000_000, max_reading=1_000_000)
    first = service.client()
    stream = first.say(b"x" * 900_000, TOKEN, HOUR, "Content-Length: 900001", target="/?key=a", method="PUT")
    assert eventually(lambda: service.engine.counters().bytes_received > 900_000)
    assert service.put("b", b"x" * 500_000).status == 503
    first.give_up(stream)
    assert eventually(lambda: service.put("b", b"x" * 500_000).status == 204)


@pytest.mark.parametrize("given", [(), ("Authorization: Bearer secre",), ("Authorization: Basic c2VjcmV0",)])
@pytest.mark.parametrize(("method", "target"), [("GET", "/?key=a"), ("PUT", "/?key=a"), ("GET", "/stats")])
def test_whoever_has_no_token_is_refused(cache, given, method, target):
    cache.put("a", b"value")
    answer = ask(cache.client(), method, target, *given)
    assert (answer.status, answer["www-authenticate"], told(answer)["error"]) == (401, "Bearer", "unauthorized")


def test_without_tokens_only_web_pages_are_refused(start):
    service = start(tokens=[])
    assert ask(service.client(), "PUT", "/?key=a", HOUR, body=b"value", host="localhost").status == 204
    for mark in ("Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"):
        assert ask(service.client(), "GET", "/?key=a", mark, host="localhost").status == 403
    assert ask(service.client(), "GET", "/?key=a", host="evil.example").status == 403


def test_one_caller_computes_and_the_others_get_what_it_stored(cache):
    first = cache.get("a", also="&lease=30")
    assert (first.status, first["lease"].isdigit()) == (404, True)
    clients = [cache.client() for _ in range(5)]
    streams = [send(client, "GET", "/?key=a&lease=30&wait=30", TOKEN) for client in clients]
    assert cache.get("a", also="&lease=30")["lease"] == "held"
    assert cache.put("a", b"computed", f"Lease: {first['lease']}").status == 204
    answers = [client.hear(stream) for client, stream in zip(clients, streams, strict=True)]
    assert [(answer.status, answer.body, "lease" in answer) for answer in answers] == [(200, b"computed", False)] * 5
    assert cache.get("a", also="&lease=30").body == b"computed"


def test_a_lease_that_is_given_up_goes_to_one_who_waits(cache):
    lease = cache.get("a", also="&lease=30")["lease"]
    waiting = cache.client()
    stream = send(waiting, "GET", "/?key=a&lease=30&wait=30", TOKEN)
    assert cache.ask("DELETE", f"/lease?key=a&id={lease}").status == 204
    answer = waiting.hear(stream)
    assert (answer.status, answer["lease"].isdigit()) == (404, True)
    assert answer["lease"] != lease


def test_a_lease_runs_out(cache):
    lease = cache.get("a", also="&lease=0.05")["lease"]
    assert cache.get("a", also="&lease=30&wait=30")["lease"].isdigit()
    lost = cache.put("a", b"late", f"Lease: {lease}")
    assert (lost.status, told(lost)["error"]) == (409, "lease_lost")
    assert cache.get("a").status == 404


def test_waiting_for_anothers_value_ends(cache):
    cache.get("a", also="&lease=30")
    began = time.monotonic()
    answer = cache.get("a", also="&lease=30&wait=0.2")
    assert (answer.status, answer["lease"]) == (404, "held")
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("what", ["key=a", "tag=t", "prefix=a"])
def test_what_was_computed_before_an_invalidation_is_not_stored(cache, what):
    lease = cache.get("a", also="&lease=30")["lease"]
    cache.ask("POST", f"/invalidate?{what}")
    lost = cache.put("a", b"old", f"Lease: {lease}", "Cache-Tags: t")
    assert (lost.status, told(lost)["error"]) == (409, "lease_lost")
    assert cache.get("a").status == 404


def test_what_is_stale_is_told_to_all_while_one_renews_it(cache):
    cache.put("a", b"old", "Cache-Control: max-age=60, stale-while-revalidate=60")
    cache.ask("POST", "/invalidate?key=a&soft=1")
    first, second = (cache.get("a", also="&lease=30&wait=30") for _ in range(2))
    assert (first.status, first.body, first["lease"].isdigit()) == (200, b"old", True)
    assert (second.status, second.body, second["lease"]) == (200, b"old", "held")
    assert cache.put("a", b"new", f"Lease: {first['lease']}").status == 204
    third = cache.get("a", also="&lease=30&wait=30")
    assert (third.body, "lease" in third) == (b"new", False)


def test_whoever_goes_while_it_waits_is_forgotten(cache):
    cache.get("a", also="&lease=30")
    client = cache.client()
    stream = send(client, "GET", "/?key=a&lease=30&wait=30", TOKEN)
    client.give_up(stream)
    assert cache.put("a", b"value").status == 204
    assert cache.get("a").body == b"value"


def operation(op: str, value: bytes | None = None, **fields: object) -> bytes:
    length = {} if value is None else {"length": len(value)}
    line = json.dumps({"op": op, **fields, **length}).encode() + b"\n"
    return line if value is None else line + value + b"\n"


def test_many_go_together_and_are_answered_in_order(cache):
    values = {"a": b"line\nbreak\n", "b": b"", "c": b"x" * 200_000}
    sets = [
        operation("set", value, key=key, max_age=60, tags=["t"], type="text/plain") for key, value in values.items()
    ]
    answer = cache.ask("POST", "/batch", body=b"".join(sets))
    assert (answer.status, answer["content-type"]) == (200, "application/vnd.headrace.batch")
    assert [json.loads(line) for line in answer.body.splitlines()] == [{"status": 204, "key": key} for key in values]

    gets = [operation("get", key=key) for key in ("a", "missing", "b", "c")]
    rest = bytes(cache.ask("POST", "/batch", body=b"".join(gets)).body)
    for key, status in [("a", 200), ("missing", 404), ("b", 200), ("c", 200)]:
        line, _, rest = rest.partition(b"\n")
        line = json.loads(line)
        assert (line["key"], line["status"]) == (key, status)
        if status == 200:
            assert (line["type"], len(line["version"]), 59 < line["max_age"] < 60) == ("text/plain", 16, True)
            assert rest[: line["length"] + 1] == values[key] + b"\n"
            rest = rest[line["length"] + 1 :]
    assert rest == b""

    others = [operation("delete", key="a"), operation("delete", key="a"), operation("invalidate", prefix="b")]
    others += [operation("invalidate", tag="t"), operation("invalidate", key="c")]
    lines = cache.ask("POST", "/batch", body=b"".join(others)).body.splitlines()
    assert [json.loads(line).get("invalidated", json.loads(line)["status"]) for line in lines] == [204, 404, 1, 1, 0]


def test_a_batch_with_a_mistake_changes_nothing(cache):
    body = operation("set", b"value", key="a", max_age=60) + operation("get")
    answer = cache.ask("POST", "/batch", body=body)
    assert (answer.status, "operation 2: key is missing" in told(answer)["message"]) == (400, True)
    assert cache.get("a").status == 404


def test_in_a_batch_a_value_that_is_too_large_is_told_by_itself(start):
    service = start(max_value=10)
    body = operation("set", b"x" * 11, key="a", max_age=60) + operation("set", b"x", key="b", max_age=60)
    lines = service.ask("POST", "/batch", body=body).body.splitlines()
    assert [json.loads(line)["status"] for line in lines] == [413, 204]


def test_a_batch_over_the_limit_is_refused(start):
    service = start(max_batch=1000)
    answer = service.begin(b"x", "Content-Length: 1001", target="/batch", method="POST")
    assert (answer.status, "max_batch" in told(answer)["message"]) == (413, True)


def test_a_lease_is_kept_in_a_batch(cache):
    lease = int(cache.get("a", also="&lease=30")["lease"])
    cache.ask("POST", "/invalidate?key=a")
    lost = operation("set", b"old", key="a", max_age=60, lease=lease)
    assert json.loads(cache.ask("POST", "/batch", body=lost).body)["status"] == 409


def test_a_value_is_stored_in_place_of_the_one_that_was_read(cache):
    cache.put("a", b"1")
    etag = cache.get("a")["etag"]
    assert cache.put("a", b"2", f"If-Match: {etag}").status == 204
    late = cache.put("a", b"3", f"If-Match: {etag}")
    assert (late.status, told(late)["error"]) == (412, "precondition_failed")
    assert cache.get("a").body == b"2"
    etag = cache.get("a")["etag"]
    cache.put("a", b"2")
    assert cache.put("a", b"3", f"If-Match: {etag}").status == 412, "it was set, if to the same"
    etag = cache.get("a")["etag"]
    cache.ask("POST", "/invalidate?key=a")
    assert cache.put("a", b"3", f"If-Match: {etag}").status == 412
    assert cache.get("a").status == 404
    for condition in ("*", 'W/"0000000000000001"', '"1"', f"{etag}, {etag}"):
        refused = cache.put("a", b"3", f"If-Match: {condition}")
        assert (refused.status, "If-Match" in told(refused)["message"]) == (400, True)


def test_tags_are_told_to_who_asks_for_them(cache):
    cache.put("a", b"value", "Cache-Tags: posts, 50%, \xfc", "Surrogate-Key: post:3")
    cache.put("b", b"value")
    assert "cache-tags" not in cache.get("a")
    assert "cache-tags" not in cache.get("a", also="&with_tags=0")
    assert set(cache.get("a", also="&with_tags=1")["cache-tags"].split(", ")) == {"posts", "50%25", "%FC", "post:3"}
    assert cache.get("b", also="&with_tags=1")["cache-tags"] == ""
    assert "cache-tags" not in cache.get("missing", also="&with_tags=1")
    assert cache.ask("HEAD", "/?key=b&with_tags=1")["cache-tags"] == ""
    etag = cache.get("b")["etag"]
    unchanged = cache.get("b", f"If-None-Match: {etag}", also="&with_tags=1")
    assert (unchanged.status, unchanged["cache-tags"]) == (304, "")


def test_tags_are_told_with_a_value_that_needs_no_lease(cache):
    lease = cache.get("a", also="&lease=30&with_tags=1")
    assert "cache-tags" not in lease
    cache.put("a", b"value", "Cache-Tags: t", f"Lease: {lease['lease']}")
    assert cache.get("a", also="&lease=30&with_tags=1")["cache-tags"] == "t"
    assert "cache-tags" not in cache.get("a", also="&lease=30")


def test_tags_that_make_too_long_a_field_are_not_told(cache):
    cache.put("a", b"value", "Cache-Tags: " + ", ".join(f"{at}{'x' * 999}" for at in range(4)))
    cache.put("b", b"value", "Cache-Tags: " + ", ".join(f"{at}{'x' * 999}" for at in range(5)))
    assert len(cache.get("a", also="&with_tags=1")["cache-tags"]) == 4006
    answer = cache.get("b", also="&with_tags=1")
    assert (answer.status, "cache-tags" in answer) == (200, False)


def test_tags_are_told_in_a_batch(cache):
    body = operation("set", b"", key="a", max_age=60, tags=["x", "a,b"]) + operation("set", b"", key="b", max_age=60)
    cache.ask("POST", "/batch", body=body)
    gets = [operation("get", key=key, with_tags=True) for key in ("a", "b", "missing")] + [operation("get", key="a")]
    lines = cache.ask("POST", "/batch", body=b"".join(gets)).body.splitlines()
    tags = [json.loads(line).get("tags") for line in lines if line]
    assert [tags[0] and sorted(tags[0]), *tags[1:]] == [["a,b", "x"], [], None, None]


def test_counts_are_told(cache):
    cache.put("a", b"value")
    cache.get("a"), cache.get("b")
    stats = told(cache.ask("GET", "/stats"))
    assert (stats["entries"], stats["sets"], stats["hits"], stats["misses"]) == (1, 1, 1, 1)
    assert 0 < stats["bytes"] < stats["max_bytes"]


def test_many_clients_at_once_see_whole_values(cache):
    keys = [f"k{number}" for number in range(4)]

    def write(mark):
        client = cache.client()
        for number in range(60):
            key = keys[number % len(keys)]
            value = bytes([mark]) * (100 * (number + 1))
            assert ask(client, "PUT", f"/?key={key}", TOKEN, HOUR, body=value).status == 204

    writers = [threading.Thread(target=write, args=(mark,)) for mark in range(3)]
    for writer in writers:
        writer.start()
    reader = cache.client()
    while any(writer.is_alive() for writer in writers):
        for key in keys:
            answer = ask(reader, "GET", f"/?key={key}", TOKEN)
            assert answer.status == 404 or len(set(answer.body)) == 1
    for writer in writers:
        writer.join()


class Events:
    """A connection over which changes are heard."""

    def __init__(self, service: Service, *fields: str) -> None:
        address = service.listener.address
        host, _, port = address.rpartition(":")
        self._sock = socket.create_connection((host, int(port)), timeout=10)
        self._sock.sendall(request("GET", "/events", TOKEN, *fields))
        self._lines = self._sock.makefile("rb")

    def next(self) -> tuple[str, dict[str, object], str]:
        """The next event that is no sign of life: its kind, its data, its number. It is waited for some seconds."""
        event, data, number, quiet = "", {}, "", 0
        for line in self._lines:
            name, _, value = line.decode().rstrip("\r\n").partition(": ")
            if name == "event":
                event = value
            elif name == "id":
                number = value
            elif name == "data":
                data = json.loads(value)
            elif name == "" and value == "alive":
                quiet += 1
                assert quiet < 10, "no event"
            elif name == "" and event:
                return event, data, number
        raise EOFError

    def heartbeat(self) -> None:
        """Waits for a sign of life."""
        assert any(line.startswith(b": alive") for line in self._lines)

    def close(self) -> None:
        self._lines.close()
        self._sock.close()


@pytest.fixture
def follow():
    opened = []

    def begin(service, *fields):
        opened.append(Events(service, *fields))
        assert opened[-1].next()[0] == "ready"
        return opened[-1]

    yield begin
    for events in opened:
        events.close()


@pytest.fixture
def plain():
    service = Service()
    yield service
    service.close()


def test_followers_are_told_of_changes_at_once(plain, follow):
    plain.put("a", b"old")
    events = [follow(plain), follow(plain)]
    plain.put("a", b"new")
    plain.ask("POST", "/invalidate?tag=t&soft=1")
    plain.ask("POST", "/invalidate?prefix=p")
    plain.put(b"\xff", b"value")
    plain.ask("DELETE", "/?key=%ff")
    for each in events:
        told_of = [each.next() for _ in range(4)]
        assert [kind for kind, _, _ in told_of] == ["change"] * 4
        changes = [data for _, data, _ in told_of]
        assert changes == [{"key": "a"}, {"tag": "t", "soft": True}, {"prefix": "p"}, {"key_encoded": "%FF"}]
        numbers = [int(number) for _, _, number in told_of]
        assert numbers == list(range(numbers[0], numbers[0] + 4))


def test_followers_are_told_that_the_service_lives(plain, follow):
    events = follow(plain)
    for _ in range(2):
        events.heartbeat()


def test_a_follower_that_comes_back_hears_what_it_missed_or_that_it_did(plain, follow):
    for key in "ab":
        plain.put(key, b"old")
    staying, leaving = follow(plain), follow(plain)
    plain.put("a", b"new")
    _, _, number = leaving.next()
    leaving.close()
    plain.put("b", b"new")
    assert follow(plain, f"Last-Event-ID: {number}").next()[1] == {"key": "b"}
    for unknown in ("1", "nonsense", str(2**64 - 1)):
        assert follow(plain, f"Last-Event-ID: {unknown}").next()[0] == "lost"
    assert staying.next()[1] == {"key": "a"}
