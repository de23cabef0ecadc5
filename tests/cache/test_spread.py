"""Several servers as one cache."""

import contextlib
import json
from collections import Counter
from urllib.parse import parse_qs, urlsplit

import pytest

from headrace.cache.cache import Cache
from headrace.cache.errors import AwayError
from headrace.cache.rendezvous import digest, place
from tests.cache.scripted import plain, response, scripted

KEYS = [f"k{at}" for at in range(60)]


def whole(head, values):
    """Single values, batches and invalidations by prefix."""
    target = head.split(b" ", 2)[1].decode()
    if target == "/batch":
        return batch(head.partition(b"\r\n\r\n")[2], values)
    if target.startswith("/invalidate"):
        prefix = parse_qs(urlsplit(target).query, keep_blank_values=True)["prefix"][0]
        met = [key for key in values if key.startswith(prefix)]
        for key in met:
            del values[key]
        return response(200, json.dumps({"invalidated": len(met)}).encode())
    return plain(head, values)


def batch(body, values):
    answer = b""
    while body:
        line, _, body = body.partition(b"\n")
        call = json.loads(line)
        key = call["key"]
        if call["op"] == "set":
            values[key], body = body[: call["length"]], body[call["length"] + 1 :]
            answer += b'{"status": 204}\n'
        elif key in values:
            answer += json.dumps({"status": 200, "length": len(values[key]), "max_age": 60}).encode()
            answer += b"\n" + values[key] + b"\n"
        else:
            answer += b'{"status": 404}\n'
    return response(200, answer)


@pytest.fixture
def servers():
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(scripted(whole)) for _ in range(3)]


@pytest.fixture
def cache(servers):
    with Cache([server.url for server in servers], timeout=10) as cache:
        yield cache


def owner(key, servers):
    return servers[place(key, [digest(server.url) for server in servers])]


def test_each_key_has_one_server(cache, servers):
    for key in KEYS:
        cache.set(key, 1, ttl=60)
    assert [list(server.values) for server in servers] == [
        [key for key in KEYS if owner(key, servers) is server] for server in servers
    ]
    assert all(cache.get(key) == 1 for key in KEYS)


def test_several_values_are_one_call_to_each_server(cache, servers):
    cache.set_many(dict.fromkeys(KEYS, 1), ttl=60)
    assert cache.get_many([*KEYS, "none"]) == dict.fromkeys(KEYS, 1)
    assert [server.requests for server in servers] == [2, 2, 2]


def test_tags_and_prefixes_are_invalidated_everywhere(cache, servers):
    cache.set_many(dict.fromkeys(KEYS, 1), ttl=60)
    assert cache.invalidate(prefix="k") == len(KEYS)
    assert not any(server.values for server in servers)


async def test_event_loops_do_the_same(servers):
    async with Cache([server.url for server in servers], timeout=10) as cache:
        await cache.aset_many(dict.fromkeys(KEYS, 1), ttl=60)
        assert await cache.aget_many([*KEYS, "none"]) == dict.fromkeys(KEYS, 1)
        assert await cache.aget("k1") == 1
        assert await cache.ainvalidate(prefix="") == len(KEYS)


def test_the_loss_of_a_server_costs_its_keys_and_no_others(cache, servers, caplog):
    cache.set_many(dict.fromkeys(KEYS, 1), ttl=60)
    lost = servers[1]
    lost.close()
    owned = Counter(owner(key, servers) is lost for key in KEYS)
    assert sum(cache.get(key) is None for key in KEYS) == owned[True]
    assert sum(cache.get(key) == 1 for key in KEYS) == owned[False]
    assert cache.counts()["failures"] == 2 * owned[True]
    assert cache.get_many(KEYS) == {key: 1 for key in KEYS if owner(key, servers) is not lost}
    assert cache.counts()["failures"] == 2 * owned[True] + 1
    told = [record.message for record in caplog.records if "not used until it is back" in record.message]
    assert len(told) == 1
    assert lost.url in told[0]


async def test_the_loss_of_a_server_costs_event_loops_no_more(servers):
    async with Cache([server.url for server in servers], timeout=10) as cache:
        await cache.aset_many(dict.fromkeys(KEYS, 1), ttl=60)
        servers[1].close()
        assert await cache.aget_many(KEYS) == {key: 1 for key in KEYS if owner(key, servers) is not servers[1]}
        assert await cache.ainvalidate(prefix="") == 0
        assert cache.counts()["failures"] == 2
        assert not servers[0].values


def test_an_invalidation_that_a_server_did_not_hear_is_told(cache, servers, caplog):
    cache.set_many(dict.fromkeys(KEYS, 1), ttl=60)
    servers[1].close()
    assert cache.invalidate(prefix="k") == 0
    assert "did not hear of an invalidation" in caplog.text
    assert not servers[0].values
    assert not servers[2].values


def test_what_the_others_have_comes_with_the_error(servers):
    with Cache([server.url for server in servers], timeout=10) as cache:
        cache.set_many(dict.fromkeys(KEYS, 1), ttl=60)
        servers[1].close()
        with pytest.raises(AwayError) as raised:
            cache.backend._backend.get_many(KEYS)
        assert len(raised.value.found) == sum(owner(key, servers) is not servers[1] for key in KEYS)
