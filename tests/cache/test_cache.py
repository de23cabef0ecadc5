"""`Cache`: values, durations, prefixes, mistakes of the caller."""

import copy
import pickle

import pytest

import headrace
from headrace.cache.cache import Cache
from headrace.cache.errors import SerializeError
from headrace.cache.opening import where
from headrace.errors import UsageError


@pytest.fixture
def cache(tmp_path):
    with Cache(f"disk://{tmp_path}/kept") as cache:
        yield cache


def test_it_is_one_of_the_names_of_the_package():
    assert headrace.Cache is Cache
    with pytest.raises(AttributeError):
        headrace.Cach  # noqa: B018


def test_values_are_values(cache):
    assert cache.set("k", {"a": [1, None]}, ttl="10m", stale="1h", tags=["t"])
    assert cache.get("k") == {"a": [1, None]}
    assert cache.get("none") is None
    assert cache.get("none", 7) == 7
    cache.set_many({"a": 1, "b": None}, ttl=60)
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": None}
    assert cache.invalidate(tag="t") == 1
    assert cache.delete("a")
    cache.clear()
    assert cache.get("b", "gone") == "gone"


async def test_values_are_values_in_event_loops_too(tmp_path):
    async with Cache(f"disk://{tmp_path}/kept") as cache:
        assert await cache.aset("k", [1], ttl="10m")
        assert await cache.aget("k") == [1]
        await cache.aset_many({"a": 1}, ttl=60)
        assert await cache.aget_many(["a", "c"]) == {"a": 1}
        assert await cache.ainvalidate(prefix="k") == 1
        assert await cache.adelete("a")
        await cache.aclear()


def test_prefixes_keep_caches_of_one_place_apart(tmp_path):
    url = f"disk://{tmp_path}/kept"
    with Cache(url, prefix="a:") as one, Cache(url, prefix="b:") as other:
        one.set("k", 1, ttl=60)
        other.set("k", 2, ttl=60)
        assert one.get_many(["k"]) == {"k": 1}
        one.clear()
        assert (one.get("k"), other.get("k")) == (None, 2)
        lease = one.backend.lease("k", seconds=5, wait=0)
        assert one.backend.set("k", b"3", ttl=60, lease=lease)
        assert other.invalidate(prefix="k") == 1
        assert one.get("k") == 3


def test_everything_is_counted(cache):
    cache.set("k", 1, ttl=60)
    cache.get("k")
    cache.get_many(["k", "l"])
    cache.invalidate(key="k")
    counts = cache.counts()
    assert (counts["hits"], counts["misses"], counts["sets"], counts["invalidations"]) == (2, 1, 1, 1)


def test_what_the_serializer_has_not_written_is_a_miss(tmp_path):
    url = f"disk://{tmp_path}/kept"
    with Cache(url, serializer="bytes") as raw, Cache(url) as cache:
        raw.set("k", b"\xff{", ttl=60)
        assert cache.get("k", "none") == "none"
        assert cache.get_many(["k"]) == {}
        assert cache.counts()["unreadable"] == 2


def test_what_is_too_large_is_dropped_and_counted(tmp_path, caplog):
    with Cache(f"disk://{tmp_path}/kept?max_bytes=10k") as cache:
        assert cache.set("k", "x" * 20_000, ttl=60) is False
        assert cache.counts()["refused"] == 1
    assert "more than the cache may have" in caplog.text


@pytest.mark.parametrize("url", ["memory://", "disk://{folder}"])
async def test_a_key_that_is_no_text_is_refused_by_every_call(url, tmp_path):
    with Cache(url.format(folder=tmp_path)) as cache:
        assert cache.set("\ud800", 1, ttl=60) is False
        assert await cache.aset("k", 1, ttl=60, tags=["\ud800"]) is False
        assert (cache.get("\ud800"), await cache.aget("\ud800"), cache.get_many(["\ud800"])) == (None, None, {})
        assert cache.backend.lease("\ud800", seconds=1, wait=0) is None
        assert cache.delete("\ud800") is False
        assert [cache.invalidate(**{what: "\ud800"}) for what in ("key", "tag", "prefix")] == [0, 0, 0]
        assert cache.counts()["failures"] == 0


@pytest.mark.parametrize("ttl", [0, -1, "soon", "10 parsecs", float("inf"), float("nan"), None])
def test_a_lifetime_that_is_none_is_a_mistake(cache, ttl):
    with pytest.raises(UsageError):
        cache.set("k", 1, ttl=ttl)


@pytest.mark.parametrize("url", ["memory://", "disk://{folder}"])
def test_a_lifetime_without_end_is_a_long_one(url, tmp_path):
    with Cache(url.format(folder=tmp_path)) as cache:
        for ttl in (1e300, 10**30, "99999999999d"):
            assert cache.set("k", 1, ttl=ttl, stale=ttl)
            assert 60 * 365 * 86400 < cache.backend.get("k").fresh_for <= 2**31


@pytest.mark.parametrize("key", [b"k", 3, None, ("k", 1)])
@pytest.mark.parametrize("url", ["memory://", "disk://{folder}"])
async def test_a_key_of_another_type_is_a_mistake(url, tmp_path, key):
    with Cache(url.format(folder=tmp_path)) as cache:
        for call in (
            lambda: cache.get(key),
            lambda: cache.get_many([key]),
            lambda: cache.set(key, 1, ttl=60),
            lambda: cache.set_many({key: 1}, ttl=60),
            lambda: cache.delete(key),
            lambda: cache.set("k", 1, ttl=60, tags=[key]),
            lambda: cache.set("k", 1, ttl=60, tags=key),
        ):
            with pytest.raises(UsageError, match=r"no text|is one text"):
                call()
        for acall in (cache.aget, cache.adelete):
            with pytest.raises(UsageError, match="no text"):
                await acall(key)
        if key is not None:
            with pytest.raises(UsageError, match="no text"):
                cache.invalidate(key=key)


def test_tags_and_keys_come_in_any_collection(cache):
    for at, tags in enumerate([("t",), {"t"}, iter(["t"]), {"t": 1}]):
        cache.set(f"k{at}", at, ttl=60, tags=tags)
    assert cache.get_many(f"k{at}" for at in range(4)) == {f"k{at}": at for at in range(4)}
    assert cache.get_many({"k0", "k1"}) == {"k0": 0, "k1": 1}
    assert cache.invalidate(tag="t") == 4
    with pytest.raises(UsageError, match="for one key"):
        cache.get_many("k0")


def test_a_cache_is_not_pickled_and_says_so(cache):
    for take in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="make another one with the same URL"):
            take(cache)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": "soon"},
        {"timeout": None},
        {"timeout": float("inf")},
        {"near": -1},
        {"near": "much"},
        {"near": 1.5},
        {"prefix": None},
        {"prefix": b"x"},
        {"url": 3},
        {"url": b"memory://"},
        {"url": "memory://?max_byte=1m"},
        {"url": "memory://?max_bytes=1m&ttl=9"},
    ],
)
def test_options_that_are_none_are_told(options):
    with pytest.raises(UsageError):
        Cache(**{"url": "http://127.0.0.1:1", "token": "t", **options})


def test_sizes_and_times_may_be_texts():
    with Cache("http://127.0.0.1:1", token="t", timeout="250ms", near="16m") as cache:
        assert cache.get("k") is None


def test_an_invalidation_that_is_not_heard_is_told_with_the_reason(caplog):
    with Cache("http://127.0.0.1:1", token="t") as cache:
        assert cache.invalidate(tag="t") == 0
    assert "did not hear of an invalidation" in caplog.text
    assert "Connection refused" in caplog.text.partition("did not hear")[2]


def test_mistakes_are_told(cache):
    for wrong in (
        lambda: cache.set("k", 1, ttl=1, tags="posts"),
        cache.invalidate,
        lambda: cache.invalidate(key="a", tag="b"),
        lambda: cache.set("k", object(), ttl=1),
    ):
        with pytest.raises(UsageError):
            wrong()
    assert issubclass(SerializeError, UsageError)


@pytest.mark.parametrize(
    "url",
    [
        "nothing",
        "ftp://a",
        "disk://",
        "http://",
        "https://a b/",
        "disk:///x?max_bytes=much",
        ["disk:///a", "disk:///b"],
    ],
)
def test_urls_that_are_none_are_told(url):
    with pytest.raises(UsageError):
        Cache(url)


def test_the_place_is_given_or_in_the_environment_or_the_service_here():
    assert where(None, {}) == ("https://127.0.0.1:5000",)
    assert where(None, {"HEADRACE_CACHE_URL": "https://a:1, https://b:1"}) == ("https://a:1", "https://b:1")
    assert where("memory://", {"HEADRACE_CACHE_URL": "https://a:1"}) == ("memory://",)


def test_no_password_is_shown(tmp_path):
    with Cache("redis://user:secret@127.0.0.1:1/0") as cache:
        assert "secret" not in repr(cache)
