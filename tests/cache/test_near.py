"""`near=`: values in the process, and how old they can be."""

import asyncio
import json
import multiprocessing
import os
import random
import threading
import time

import pytest

from headrace.cache.cache import Cache
from headrace.cache.following import BOUND, Event, events
from tests.cache.cache_process import TOKEN, cache_process
from tests.cache.scripted import plain, response, scripted

ALIVE = b": alive\n\n"
BEGIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: ready\ndata: {}\n\n" + ALIVE


@pytest.fixture
def service(tmp_path):
    with cache_process(tmp_path / "service") as running:
        yield running


def cache_at(url, **options):
    return Cache(url, token=TOKEN, near=1 << 20, timeout=10, **options)


def until(holds, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def live(stream):
    """A stream of events with a sign of life now and then, until it is closed."""
    stream.sendall(BEGIN)
    while True:
        time.sleep(0.2)
        stream.sendall(ALIVE)


def source(cache, key):
    found = cache.backend.get(key)
    return found and found.source


def test_events_are_read_as_they_come():
    lines = [b"event: ready\n", b"data: {}\n", b"\n", b": alive\n", b"\n", b"id: 7\r\n", b"event:change\r\n", b"\r\n"]
    assert list(events(lines)) == [Event("ready", "{}", ""), None, Event("change", "", "7")]


def test_a_second_get_is_near(service):
    with cache_at(service.url) as cache:
        cache.set("k", {"a": 1}, ttl=60, stale=30)
        until(lambda: source(cache, "k") == "near")
        found = cache.backend.get("k")
        assert found.value == b'{"a":1}'
        assert 0 <= found.age < 30
        assert 30 < found.fresh_for <= 60
        assert 29 <= found.stale_for <= 30
        assert cache.get("k") == {"a": 1}
        assert cache.get_many(["k", "l"]) == {"k": {"a": 1}}
        assert cache.backend.lease("k", seconds=5, wait=0).source == "near"


async def test_a_second_get_is_near_in_an_event_loop(service):
    async with cache_at(service.url) as cache:
        await cache.aset("k", 1, ttl=60)
        deadline = time.monotonic() + 30
        while (await cache.backend.aget("k")).source != "near":
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        assert await cache.aget_many(["k", "l"]) == {"k": 1}
        assert await cache.aset("k", 2, ttl=60)
        assert await cache.aget("k") == 2
        await cache.ainvalidate(key="k")
        assert await cache.aget("k") is None


@pytest.mark.parametrize("change", ["set", "delete", "key", "tag", "prefix", "soft"])
def test_what_another_process_changes_is_dropped(service, change):
    with cache_at(service.url) as cache, Cache(service.url, token=TOKEN, timeout=10) as other:
        other.set("k", "old", ttl=60, stale=60, tags=["t"])
        until(lambda: source(cache, "k") == "near")
        {
            "set": lambda: other.set("k", "new", ttl=60),
            "delete": lambda: other.delete("k"),
            "key": lambda: other.invalidate(key="k"),
            "tag": lambda: other.invalidate(tag="t"),
            "prefix": lambda: other.invalidate(prefix="k"),
            "soft": lambda: other.invalidate(tag="t", soft=True),
        }[change]()
        if change == "soft":
            until(lambda: cache.backend.get("k").fresh_for <= 0)
        else:
            until(lambda: cache.get("k") == ("new" if change == "set" else None))


TAGGED = {"a": ["t", "a, b"], "a:b": ["u"], "b": ["t", "u"], "c": [], "ü": ["ä+1", "50%"]}


@pytest.mark.parametrize(
    ("what", "dropped"),
    [
        ({"tag": "t"}, {"a", "b"}),
        ({"tag": "u"}, {"a:b", "b"}),
        ({"tag": "t", "soft": True}, {"a", "b"}),
        ({"tag": "a, b"}, {"a"}),
        ({"tag": "ä+1"}, {"ü"}),
        ({"tag": "50%"}, {"ü"}),
        ({"tag": "of nobody"}, set()),
        ({"prefix": "a"}, {"a", "a:b"}),
        ({"prefix": "of nobody"}, set()),
        ({"prefix": ""}, set(TAGGED)),
    ],
)
@pytest.mark.parametrize("how", ["get", "get_many", "lease"])
def test_an_invalidation_drops_exactly_what_it_names(service, what, dropped, how):
    with cache_at(service.url) as cache, Cache(service.url, token=TOKEN, timeout=10) as other:
        for key, tags in TAGGED.items():
            other.set_many({key: 1}, ttl=60, stale=60, tags=tags)  # tags with commas, too

        def sources():
            match how:
                case "get":
                    found = {key: cache.backend.get(key) for key in TAGGED}
                case "get_many":
                    found = cache.backend.get_many(list(TAGGED))
                case "lease":
                    found = {key: cache.backend.lease(key, seconds=9, wait=0) for key in TAGGED}
            return {key: one.source for key, one in found.items()}

        until(lambda: set(sources().values()) == {"near"})
        other.set("mark", 1, ttl=60)
        until(lambda: source(cache, "mark") == "near")
        other.invalidate(**what)
        other.delete("mark")  # told after it
        store = cache.backend._backend._store
        until(lambda: store.get("mark") is None)
        assert {key for key in TAGGED if store.get(key) is None} == dropped


async def test_an_invalidation_drops_exactly_what_it_names_in_an_event_loop(service):
    async with cache_at(service.url) as cache:
        for key, tags in TAGGED.items():
            await cache.aset_many({key: 1}, ttl=60, tags=tags)
        deadline = time.monotonic() + 30
        while {(await cache.backend.aget(key)).source for key in TAGGED} != {"near"}:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        assert await cache.ainvalidate(tag="t") == 2
        found = await cache.backend.aget_many(list(TAGGED))
        assert {key: one.source for key, one in found.items()} == dict.fromkeys(["a:b", "c", "ü"], "near")


def test_own_changes_are_seen_at_once(service):
    with cache_at(service.url) as cache:
        for at in range(300):
            cache.set("k", at, ttl=60, tags=["t"])
            assert cache.get("k") == at
            assert cache.get("k") == at
            if at % 3 == 0:
                cache.invalidate(**({"tag": "t"}, {"key": "k"}, {"prefix": "k"})[at % 9 // 3])
                assert cache.get("k") is None


def test_what_is_stale_is_not_near(service):
    with cache_at(service.url) as cache:
        cache.set("k", 1, ttl=60, stale=60)
        cache.invalidate(key="k", soft=True)
        for _ in range(5):
            assert source(cache, "k") == "service"


@pytest.mark.parametrize(
    ("event", "put_back"),
    [
        ({"key": "k"}, False),
        ({"tag": "t"}, False),
        ({"tag": "t", "soft": True}, False),
        ({"prefix": ""}, False),
        ({"prefix": "k"}, False),
        ({"tag_encoded": "%FF"}, False),
        ({"of": "another version"}, False),
        ({"key": "l"}, True),
        ({"tag": "of others"}, True),
        ({"prefix": "l"}, True),
    ],
)
@pytest.mark.parametrize("how", ["get", "lease"])
def test_a_get_that_is_overtaken_by_an_invalidation_puts_nothing_back(event, put_back, how):
    """The server's answer is held up until the event came."""
    streams, asked, answer = [], threading.Event(), threading.Event()

    def act(head, values):
        if head.startswith(b"GET /events"):
            streams.append(server.stream)
            live(server.stream)
        if values.get("slow"):
            asked.set()
            answer.wait(20)
            return response(200, b"\x01old", Cache_Control="max-age=60", Cache_Tags="s, t")
        return plain(head, values)

    with scripted(act) as server, cache_at(server.url) as cache:
        server.values["other"] = b"1"
        until(lambda: source(cache, "other") == "near")
        server.values["slow"] = b"1"
        got = []
        get = {"get": cache.backend.get, "lease": lambda key: cache.backend.lease(key, seconds=9, wait=9)}[how]
        getting = threading.Thread(target=lambda: got.append(get("k").value))
        getting.start()
        assert asked.wait(20)
        told = f'event: change\ndata: {json.dumps(event)}\n\nevent: change\ndata: {{"key": "other"}}\n\n: a\n\n'
        streams[-1].sendall(told.encode())
        until(lambda: cache.backend._backend._store.get("other") is None)
        answer.set()
        getting.join()
        assert got == [b"\x01old"], "it was asked before"
        assert (cache.backend._backend._store.get("k") is not None) == put_back


def test_a_value_whose_tags_are_not_told_is_not_near():
    def act(head, values):
        if head.startswith(b"GET /events"):
            live(server.stream)
        if b"key=untold" in head:
            return response(200, b"1", Cache_Control="max-age=60")
        return plain(head, values)

    with scripted(act) as server, cache_at(server.url) as cache:
        server.values["k"] = b"1"
        until(lambda: source(cache, "k") == "near")
        for _ in range(5):
            assert source(cache, "untold") == "service"


def test_a_value_that_was_long_on_its_way_is_not_fresh_for_longer():
    def act(head, values):
        if head.startswith(b"GET /events"):
            live(server.stream)
        if b"key=slow" in head:
            time.sleep(1.1)
            return response(200, b"1", Cache_Control="max-age=1", Cache_Tags="")
        return plain(head, values)

    with scripted(act) as server, cache_at(server.url) as cache:
        server.values["k"] = b"1"
        until(lambda: source(cache, "k") == "near")
        assert source(cache, "slow") == "service"
        assert cache.backend._backend._store.get("slow") is None


@pytest.mark.parametrize("event", [b"event: change\ndata: [1]\n\n", b"event: of-another-version\ndata: {}\n\n"])
def test_an_unknown_event_drops_all(event):
    streams = []

    def act(head, values):
        if head.startswith(b"GET /events"):
            streams.append(server.stream)
            live(server.stream)
        return plain(head, values)

    with scripted(act) as server, cache_at(server.url) as cache:
        server.values["k"] = b"1"
        until(lambda: source(cache, "k") == "near")
        streams[-1].sendall(event)
        until(lambda: cache.backend._backend._store.get("k") is None)


def test_an_event_that_means_nothing_here_drops_all():
    streams = []

    def act(head, values):
        if head.startswith(b"GET /events"):
            streams.append(server.stream)
            live(server.stream)
        return plain(head, values)

    with scripted(act) as server, cache_at(server.url) as cache:
        server.values["k"] = b"1"
        until(lambda: source(cache, "k") == "near")
        streams[-1].sendall(b'event: change\ndata: {"tag_encoded": "%FF"}\n\n')
        until(lambda: cache.backend._backend._store.get("k") is None)


def test_tags_count_among_the_bytes_of_a_near_store(service):
    with cache_at(service.url) as cache:
        cache.set("first", 1, ttl=60)
        until(lambda: source(cache, "first") == "near")
        for at in range(300):
            cache.set(f"k{at}", "v" * 1000, ttl=60, tags=[f"{at}:{tag}:{'t' * 50}" for tag in range(64)])
            cache.get(f"k{at}")
        stats = cache.backend._backend._store.stats()
        assert 2 << 18 < stats["bytes"] <= 1 << 20
        assert stats["evictions"] > 0


def test_only_who_keeps_copies_asks_for_tags():
    asked = []

    def act(head, values):
        asked.append(head.split(b" ")[1])
        return plain(head, values) if b"/events" not in head else None

    with scripted(act) as server:
        with Cache(server.url, token=TOKEN, timeout=10) as cache:
            cache.get("k")
            cache.backend.lease("k", seconds=9, wait=0)
        assert asked == [b"/?key=k", b"/?key=k&lease=9&wait=0"]
        asked.clear()
        with cache_at(server.url) as cache:
            cache.get("k")
            cache.backend.lease("k", seconds=9, wait=0)
        assert {b"/?key=k&with_tags=1", b"/?key=k&lease=9&wait=0&with_tags=1"} <= set(asked)


def test_without_a_sign_of_life_near_values_are_not_used():
    def silent(head, values):
        if head.startswith(b"GET /events"):
            server.stream.sendall(BEGIN)
            time.sleep(60)
        return plain(head, values)

    with scripted(silent) as server, cache_at(server.url) as cache:
        server.values["k"] = b"1"
        until(lambda: source(cache, "k") == "near")
        began = time.monotonic()
        until(lambda: source(cache, "k") == "service")
        assert time.monotonic() - began < BOUND + 20


def test_when_changes_were_missed_all_near_values_are_dropped():
    stream = []

    def act(head, values):
        if head.startswith(b"GET /events"):
            stream.append(server.stream)
            live(server.stream)
        return plain(head, values)

    with scripted(act) as server, cache_at(server.url) as cache:
        server.values["k"] = b"1"
        until(lambda: source(cache, "k") == "near")
        server.values["k"] = b"2"
        stream[-1].sendall(b"event: lost\ndata: {}\n\n")
        until(lambda: cache.get("k") == 2)


def test_a_server_that_is_started_again_is_followed_again(service, tmp_path):
    with cache_at(service.url) as cache:
        cache.set("k", 1, ttl=60)
        until(lambda: source(cache, "k") == "near")
        service.kill()
        until(lambda: cache.get("k") is None)
        with cache_process(tmp_path / "again", service.url.removeprefix("http://")):
            until(lambda: cache.set("k", 2, ttl=60))
            assert cache.get("k") == 2
            until(lambda: source(cache, "k") == "near")


def test_a_child_has_a_near_store_of_its_own(service):
    with cache_at(service.url) as cache:
        cache.set("k", 1, ttl=60)
        until(lambda: source(cache, "k") == "near")
        child = os.fork()
        if child == 0:
            good = source(cache, "k") == "service" and cache.set("k", 2, ttl=60)
            os._exit(0 if good else 1)
        assert os.waitpid(child, 0)[1] == 0
        until(lambda: cache.get("k") == 2)


def exercise(url, seed, versions, failures):
    """Sets ever newer values and reads: none may be older than what had been set the bound before."""
    chance = random.Random(seed)
    with cache_at(url) as cache:
        deadline = time.monotonic() + 6
        while time.monotonic() < deadline:
            at = chance.randrange(4)
            if chance.random() < 0.02:
                with versions.get_lock():
                    version = versions[at] + 1
                    if cache.set(f"k{at}", version, ttl=60, tags=["t"]):
                        versions[at] = version
            elif chance.random() < 0.02:
                cache.invalidate(**chance.choice([{"tag": "t"}, {"prefix": "k"}, {"key": f"k{at}"}]))
            before = versions[at]
            found = cache.get(f"k{at}")
            if found is not None and found < before:
                began = time.monotonic()
                while (found := cache.get(f"k{at}")) is not None and found < before:
                    if time.monotonic() - began > BOUND:
                        failures[at] += 1
                        return


@pytest.mark.slow
def test_eight_processes_never_read_what_is_older_than_the_bound(service):
    context = multiprocessing.get_context("spawn")
    versions, failures = context.Array("q", [0] * 4), context.Array("q", [0] * 4)
    workers = [context.Process(target=exercise, args=(service.url, seed, versions, failures)) for seed in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert list(failures) == [0] * 4
    assert sum(versions) > 20
