"""The cache backend of Django: what Django's documentation says of each call, sync and async."""

import asyncio
import contextlib
import datetime as dt
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import django
import pytest
from django.conf import settings
from django.core.cache import CacheHandler

from headrace.cache import django as backend
from tests.cache.cache_process import TOKEN, cache_process
from tests.cache.stores import DictCache
from tests.processes import environment

if not settings.configured:
    settings.configure(CACHES={}, USE_TZ=True, SECRET_KEY="x", ROOT_URLCONF="", ALLOWED_HOSTS=["*"])
    django.setup()


def doubled(key, prefix, version):
    return f"{prefix}/{version}/{key}{key}"


class Client(DictCache):
    """`headrace.Cache`, in a dict."""

    def __init__(self, url=None, *, serializer="pickle"):
        from headrace.cache.serializers import serializer as named

        super().__init__()
        self.serializer = named(serializer)

    def delete(self, key):
        return self.backend.delete(key)

    async def adelete(self, key):
        return self.backend.delete(key)

    def clear(self):
        self.backend.clear()

    async def aclear(self):
        self.backend.clear()


class Both:
    """Calls sync, or the async twin: `both.get(...)` is `cache.get(...)` or `await cache.aget(...)`."""

    def __init__(self, cache, *, asynchronous):
        self.cache = cache
        self.asynchronous = asynchronous

    def __getattr__(self, name):
        if not self.asynchronous:
            return getattr(self.cache, name)
        return lambda *args, **options: asyncio.run(getattr(self.cache, f"a{name}")(*args, **options))


@pytest.fixture
def handler(monkeypatch):
    monkeypatch.setattr(backend, "Cache", Client)
    monkeypatch.setattr(backend, "_clients", {})
    one = {"BACKEND": "headrace.cache.django.CacheBackend", "LOCATION": "memory://"}
    return CacheHandler(
        {
            "default": one,
            "v2": {**one, "VERSION": 2},
            "prefix": {**one, "KEY_PREFIX": "shop"},
            "function": {**one, "KEY_FUNCTION": doubled},
            "short": {**one, "TIMEOUT": 10},
            "forever": {**one, "TIMEOUT": None},
            "json": {**one, "OPTIONS": {"serializer": "json"}},
        }
    )


@pytest.fixture(params=["sync", "async"])
def both(request, handler):
    return lambda alias="default": Both(handler[alias], asynchronous=request.param == "async")


@pytest.fixture
def cache(both):
    return both()


def later(handler, seconds):
    handler["default"].client.backend.passed += seconds


def test_what_is_set_is_there(cache):
    cache.set("key", {"when": dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc), "tuple": (1, 2)})
    assert cache.get("key") == {"when": dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc), "tuple": (1, 2)}
    assert cache.get("missing") is None
    assert cache.get("missing", "default") == "default"


def test_none_is_a_value(cache):
    cache.set("key", None)
    assert cache.get("key", "default") is None
    assert cache.has_key("key")
    assert cache.add("key", "new") is False
    assert cache.get_many(["key"]) == {"key": None}
    assert cache.get_or_set("key", "new") is None


def test_add_keeps_only_where_there_is_nothing(cache):
    assert cache.add("key", 1) is True
    assert cache.add("key", 2) is False
    assert cache.get("key") == 1
    assert cache.add("gone", 1, timeout=0) is True
    assert cache.get("gone") is None
    assert cache.add("gone", 2) is True


def test_a_value_that_cannot_be_added_leaves_the_key_free(cache):
    with pytest.raises(Exception, match="can't keep"):
        cache.add("key", threading.Lock())
    assert cache.add("key", 1) is True


def test_timeouts(both, handler):
    cache = both()
    cache.set("default", 1)
    cache.set("ten", 1, timeout=10)
    cache.set("forever", 1, timeout=None)
    cache.set("none", 1, timeout=0)
    cache.set("negative", 1, timeout=-1)
    both("forever").set("by-alias", 1)
    both("short").set("by-short-alias", 1)
    keys = ["default", "ten", "forever", "none", "negative", "by-alias", "by-short-alias"]
    assert list(cache.get_many(keys)) == ["default", "ten", "forever", "by-alias", "by-short-alias"]
    later(handler, 11)
    assert list(cache.get_many(keys)) == ["default", "forever", "by-alias"]
    later(handler, 300)
    assert list(cache.get_many(keys)) == ["forever", "by-alias"]
    later(handler, 1e8)
    assert list(cache.get_many(keys)) == ["forever", "by-alias"]


def test_a_timeout_of_nothing_removes_what_was_there(cache):
    cache.set("key", 1)
    cache.set("key", 2, timeout=0)
    assert not cache.has_key("key")
    cache.set_many({"a": 1, "b": 2})
    cache.set_many({"a": 3}, timeout=0)
    assert cache.get_many(["a", "b"]) == {"b": 2}


def test_touch_gives_a_new_lifetime(cache, handler):
    cache.set("key", "value", timeout=10)
    assert cache.touch("key", 100) is True
    later(handler, 50)
    assert cache.get("key") == "value"
    assert cache.touch("key", timeout=None) is True
    later(handler, 1e6)
    assert cache.get("key") == "value"
    assert cache.touch("key", 0) is True
    assert cache.get("key") is None
    assert cache.touch("key") is False


def test_incr_and_decr_keep_the_lifetime(cache, handler):
    cache.set("n", 41, timeout=10)
    assert cache.incr("n") == 42
    assert cache.incr("n", 10) == 52
    assert cache.decr("n") == 51
    assert cache.decr("n", 50) == cache.get("n") == 1
    later(handler, 11)
    for call in (cache.incr, cache.decr):
        with pytest.raises(ValueError, match="'n' not found"):
            call("n")


@pytest.mark.parametrize("when", ["get", "set"])
def test_what_is_set_while_something_is_added_is_not_lost(cache, handler, both, monkeypatch, when):
    """Somebody sets another value before or after what is added to is read."""
    store, others = handler["default"].client.backend, iter([100, 200])
    call = getattr(store, when)

    def overtaken(key, *args, **options):
        other = next(others, None)
        if other is not None:
            store.entries[key] = (pickle.dumps(other), time.monotonic(), 60, 0, ())
        return call(key, *args, **options)

    cache.set("n", 1)
    monkeypatch.setattr(store, when, overtaken)
    assert both().incr("n") == (201 if when == "set" else 101)
    monkeypatch.undo()
    assert cache.get("n") == (201 if when == "set" else 101)


def test_what_is_set_while_another_is_touched_is_not_lost(cache, handler, monkeypatch):
    store, get = handler["default"].client.backend, handler["default"].client.backend.get

    def overtaken(key):
        found = get(key)
        store.entries[key] = (pickle.dumps("other"), time.monotonic(), 60, 0, ())
        return found

    cache.set("key", "first")
    monkeypatch.setattr(store, "get", overtaken)
    assert cache.touch("key", 600) is True
    monkeypatch.undo()
    assert cache.get("key") == "other"
    monkeypatch.setattr(store, "set", lambda *args, **options: False)
    assert cache.touch("key", 600) is False, "the cache does not take it"


def test_where_the_cache_takes_nothing_an_addition_is_given_and_no_view_fails(cache, handler, both, monkeypatch):
    cache.set("n", 1)
    monkeypatch.setattr(handler["default"].client.backend, "set", lambda *args, **options: False)
    assert both().incr("n") == 2
    assert cache.get("n") == 1


def test_a_turn_to_add_ends_where_there_is_nothing(cache, handler):
    with pytest.raises(ValueError, match="'n' not found"):
        cache.incr("n")
    assert not handler["default"].client.backend.leases


@contextlib.contextmanager
def added(location, times):
    """Three processes that add 1 so many times each, while the block runs."""
    command = [sys.executable, str(Path(__file__).with_name("django_process.py")), location, str(times)]
    own = environment({"HEADRACE_CACHE_TOKEN": TOKEN})
    adding = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own) for _ in range(3)
    ]
    try:
        for process in adding:
            assert process.stdout.readline() == "ready\n"
        for process in adding:
            process.stdin.write("go\n")
            process.stdin.flush()
        yield adding
        for process in adding:
            process.communicate(timeout=60)
        assert [process.returncode for process in adding] == [0, 0, 0]
    finally:
        for process in adding:
            process.kill()
            process.wait()


@pytest.fixture(params=["disk", "service"])
def shared(request, tmp_path, monkeypatch):
    """A cache that processes share, and where it is."""
    monkeypatch.setattr(backend, "_clients", {})
    monkeypatch.setenv("HEADRACE_CACHE_TOKEN", TOKEN)
    with contextlib.ExitStack() as stack:
        if request.param == "disk":
            location = f"disk://{tmp_path}"
        else:
            location = stack.enter_context(cache_process(tmp_path / "service")).url
        options = {"BACKEND": "headrace.cache.django.CacheBackend", "LOCATION": location, "OPTIONS": {"timeout": 10}}
        cache = CacheHandler({"default": options})["default"]
        yield cache, location
        cache.client.close()


def test_processes_that_add_lose_nothing(shared):
    cache, location = shared
    cache.set("n", 0)
    with added(location, 20):
        pass
    assert cache.get("n") == 60


def test_what_is_set_while_processes_add_is_not_lost(shared):
    """A sum made of the number before would be below the million that was set last."""
    cache, location = shared
    cache.set("n", 0)
    with added(location, 30) as adding:
        million = 0
        while any(process.poll() is None for process in adding) and million < 3000:
            million += 1
            cache.set("n", million * 1_000_000)
            assert cache.get("n") // 1_000_000 == million
    assert million > 3
    assert cache.get("n") // 1_000_000 == million
    assert cache.get("n") % 1_000_000 <= 90


def test_many_at_once(cache):
    assert cache.set_many({"a": 1, "b": 2, "c": 3}) == []
    assert cache.get_many(["a", "c", "d"]) == {"a": 1, "c": 3}
    cache.delete_many(["a", "b"])
    assert cache.get_many(key for key in "abc") == {"c": 3}
    assert cache.get_many([]) == {}


def test_delete_tells_whether_there_was_something(cache):
    cache.set("key", 1)
    assert cache.delete("key") is True
    assert cache.delete("key") is False


def test_clear_removes_everything(both):
    both().set("key", 1)
    both("v2").set("key", 2)
    both().clear()
    assert not both().has_key("key")
    assert not both("v2").has_key("key")


def test_versions_are_apart(both):
    one, two = both(), both("v2")
    one.set("key", "one")
    assert two.get("key") is None
    two.set("key", "two")
    assert (one.get("key"), one.get("key", version=2), two.get("key", version=1)) == ("one", "two", "one")
    assert one.incr_version("key") == 2
    assert one.get("key") is None
    assert two.get("key") == "one"
    assert two.decr_version("key") == 1
    assert one.get("key") == "one"
    with pytest.raises(ValueError, match="not found"):
        one.incr_version("missing")


def test_key_prefixes_and_key_functions_are_apart(both, handler):
    for alias in ("default", "prefix", "function"):
        both(alias).set("key", alias)
    assert [both(alias).get("key") for alias in ("default", "prefix", "function")] == ["default", "prefix", "function"]
    assert sorted(handler["default"].client.backend.entries) == ["/1/keykey", ":1:key", "shop:1:key"]


def test_get_or_set_calls_once(cache):
    calls = []
    for _ in range(2):
        assert cache.get_or_set("key", lambda: calls.append(1) or "value") == "value"
    assert calls == [1]


def test_keys_may_be_any_text_within_memcacheds_bounds(cache):
    cache.set("grün/ü?&", 1)
    assert cache.get("grün/ü?&") == 1
    with pytest.warns(Warning, match="will cause errors"):
        cache.set("a b", 1)


def test_what_is_given_is_ones_own(cache):
    value = [1]
    cache.set("key", value)
    value.append(2)
    cache.get("key").append(3)
    assert cache.get("key") == [1]


def test_the_serializer_may_be_named(both):
    both("json").set("key", (1, 2))
    assert both("json").get("key") == [1, 2]


def test_all_threads_and_aliases_of_one_location_share_its_client(handler):
    clients = [handler["default"].client, handler["v2"].client]
    thread = threading.Thread(target=lambda: clients.append(handler["default"].client))
    thread.start()
    thread.join()
    assert len(set(map(id, clients))) == 1
    assert handler["json"].client is not clients[0]


def test_a_cache_that_is_away_breaks_nothing(cache, handler):
    cache.set("key", 1)
    handler["default"].client.backend.away = True
    assert cache.get("key", "default") == "default"
    assert cache.set("key", 2) is None
    assert cache.add("key", 2) is False
    assert cache.delete("key") is False
    assert cache.get_many(["key"]) == {}
    assert cache.get_or_set("key", "value") == "value"


def test_closing_after_a_request_keeps_the_connections(cache):
    cache.set("key", 1)
    cache.close()
    assert cache.get("key") == 1


def test_the_page_cache_of_django_works(handler, monkeypatch):
    from django.http import HttpResponse
    from django.test import RequestFactory
    from django.views.decorators.cache import cache_page

    monkeypatch.setattr("django.middleware.cache.caches", handler)
    monkeypatch.setattr("django.utils.cache.caches", handler)
    calls = []

    @cache_page(60)
    def view(request):
        calls.append(1)
        return HttpResponse(f"page {len(calls)}")

    request = RequestFactory().get("/page")
    assert [view(request).content, view(request).content] == [b"page 1", b"page 1"]


@pytest.mark.parametrize("url", ["memory://", "disk://{folder}"])
def test_it_works_over_the_caches_that_there_are(url, tmp_path, monkeypatch):
    monkeypatch.setattr(backend, "_clients", {})
    location = url.format(folder=tmp_path)
    options = {"BACKEND": "headrace.cache.django.CacheBackend", "LOCATION": location, "OPTIONS": {"timeout": 10}}
    cache = CacheHandler({"default": options})["default"]
    cache.set("forever", (1, None), timeout=None)
    assert cache.get("forever") == (1, None)
    assert cache.add("forever", 2) is False
    assert cache.add("n", 1, timeout=60) is True
    assert cache.incr("n", 2) == 3
    assert cache.get_many(["n", "forever", "none"]) == {"n": 3, "forever": (1, None)}
    assert cache.touch("n", None) is True
    cache.set("n", 4, timeout=0)
    assert asyncio.run(cache.aget("n", "gone")) == "gone"
    cache.clear()
    assert not cache.has_key("forever")
    cache.client.close()
