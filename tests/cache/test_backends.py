"""One contract for all backends, sync and async."""

import _thread
import asyncio
import signal
import threading
import time

import httpx
import pytest

from headrace.cache.backend import Found, Lease
from headrace.cache.errors import RefusedError
from headrace.cache.opening import opened
from tests.cache.cache_process import TOKEN, cache_process
from tests.cache.redis_process import redis_process

KINDS = ("memory", "disk", "redis", "service", "near")


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory):
    with redis_process(tmp_path_factory.mktemp("redis")) as (url, _):
        yield url


@pytest.fixture
def empty_redis(redis_url):
    import redis

    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def url(request, kind, tmp_path):
    if kind == "disk":
        return f"disk://{tmp_path}/kept"
    if kind == "redis":
        return request.getfixturevalue("empty_redis")
    if kind in ("service", "near"):
        service = request.getfixturevalue("service")
        httpx.post(f"{service.url}/invalidate?prefix=", headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False)
        return service.url
    return "memory://"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with cache_process(tmp_path_factory.mktemp("service")) as running:
        yield running


class Asked:
    """A backend whose calls are made by the sync or the async name."""

    def __init__(self, backend, runner):
        self.backend = backend
        self.runner = runner

    def __getattr__(self, name):
        if self.runner is None:
            return getattr(self.backend, name)
        method = getattr(self.backend, f"a{name}")
        return lambda *args, **options: self.runner.run_until_complete(method(*args, **options))


@pytest.fixture(params=["sync", "async"])
def backend(request, url, kind):
    runner = asyncio.new_event_loop() if request.param == "async" else None
    asked = Asked(opened([url], timeout=10, token=TOKEN, near=1 << 24 if kind == "near" else None), runner)
    try:
        yield asked
    finally:
        asked.close()
        if runner is not None:
            runner.run_until_complete(runner.shutdown_default_executor())
            runner.close()


def until(holds, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_was_set_is_found_with_its_times(backend):
    assert backend.get("k") is None
    assert backend.set("k", b"\x00mill\xff", ttl=60, stale=30) is True
    found = backend.get("k")
    assert found.value == b"\x00mill\xff"
    assert 0 <= found.age < 20
    assert 40 < found.fresh_for <= 60
    assert 25 < found.stale_for <= 30


@pytest.mark.parametrize("key", ["a b&c=d%/?#+", "ünïcödé ✓", "x" * 1000, "*[a]?", "line\nbreak", "'\";--"])
def test_keys_are_any_text(backend, key):
    assert backend.set(key, b"1", ttl=60, tags=["tag of it"])
    assert backend.get(key).value == b"1"
    assert backend.get(key + "2") is None
    assert backend.invalidate(tag="tag of it") == 1
    assert backend.get(key) is None


def test_empty_and_large_values_are_kept(backend):
    backend.set("empty", b"", ttl=60)
    backend.set("large", b"x" * 3_000_000, ttl=60)
    assert backend.get("empty").value == b""
    assert backend.get("large").value == b"x" * 3_000_000


def test_the_last_value_counts(backend):
    backend.set("k", b"1", ttl=60, tags=["one"])
    backend.set("k", b"2", ttl=60, tags=["two"])
    assert backend.invalidate(tag="one") == 0
    assert backend.get("k").value == b"2"
    assert backend.invalidate(tag="two") == 1
    assert backend.get("k") is None


def test_a_value_is_fresh_then_stale_then_gone(backend):
    backend.set("k", b"1", ttl=0.3, stale=60)
    until(lambda: backend.get("k").fresh_for <= 0)
    assert 55 < backend.get("k").stale_for <= 60
    backend.set("k", b"1", ttl=0.1)
    until(lambda: backend.get("k") is None)


def test_several_are_set_and_found_at_once(backend):
    values = {f"k{at}": f"{at}".encode() for at in range(1200)}
    backend.set_many(values, ttl=60, tags=["many"])
    found = backend.get_many([*values, "none"])
    assert {key: one.value for key, one in found.items()} == values
    assert backend.invalidate(tag="many") == 1200


@pytest.mark.parametrize("kind", ["memory", "service", "near"], indirect=True)
@pytest.mark.parametrize("first", [True, False])
def test_of_several_what_is_too_large_is_refused_and_the_others_are_kept(backend, first):
    large, small = {"large": b"x" * (40 << 20)}, {f"k{at}": b"1" for at in range(600)}
    with pytest.raises(RefusedError):
        backend.set_many(large | small if first else small | large, ttl=60)
    assert backend.get_many([*large, *small]).keys() == small.keys()


def test_values_are_deleted(backend):
    backend.set("k", b"1", ttl=60)
    assert backend.delete("k") is True
    assert backend.delete("k") is False
    assert backend.get("k") is None


def test_keys_tags_and_prefixes_are_invalidated(backend):
    for key, tags in (("post:1", ["posts", "a"]), ("post:2", ["posts"]), ("page:1", ["a"]), ("post", [])):
        backend.set(key, b"1", ttl=60, tags=tags)
    assert backend.invalidate(key="post:1") == 1
    assert backend.invalidate(key="post:1") == 0
    assert backend.invalidate(tag="posts") == 1
    backend.set("post:3", b"1", ttl=60)
    assert backend.invalidate(prefix="post:") == 1
    assert backend.get("post").value == b"1"
    assert backend.invalidate(prefix="") == 2
    assert backend.get("page:1") is None


def test_a_soft_invalidation_makes_stale(backend):
    backend.set("a", b"1", ttl=60, stale=30, tags=["t"])
    backend.set("b", b"1", ttl=60, stale=30)
    assert backend.invalidate(tag="t", soft=True) == 1
    assert backend.invalidate(prefix="b", soft=True) == 1
    for key in "ab":
        found = backend.get(key)
        assert found.fresh_for <= 0
        assert 25 < found.stale_for <= 30


def test_one_caller_computes_and_the_others_wait_for_it(backend):
    lease = backend.lease("k", seconds=60, wait=0)
    assert isinstance(lease, Lease)
    assert lease.stale is None
    assert backend.lease("k", seconds=60, wait=0.05) is None
    assert backend.set("k", b"1", ttl=60, lease=lease) is True
    found = backend.lease("k", seconds=60, wait=0)
    assert isinstance(found, Found)
    assert found.value == b"1"
    assert isinstance(backend.lease("other", seconds=60, wait=0), Lease)


def test_who_waits_gets_the_value_when_it_comes(backend, url):
    lease = backend.lease("k", seconds=60, wait=0)
    other = opened([url], timeout=10, token=TOKEN) if url != "memory://" else backend.backend
    setting = threading.Timer(0.2, lambda: other.set("k", b"1", ttl=60, lease=lease))
    setting.start()
    found = backend.lease("k", seconds=60, wait=20)
    setting.join()
    assert found.value == b"1"
    if url != "memory://":
        other.close()


def test_a_value_is_set_in_place_of_what_was_found(backend):
    backend.set("k", b"1", ttl=60, stale=30, tags=["t"])
    found = backend.get("k")
    assert found.version is not None
    assert backend.get_many(["k"])["k"].version == found.version
    assert backend.set("k", b"2", ttl=60, over=found) is True
    assert backend.set("k", b"3", ttl=60, over=found) is False
    assert backend.get("k").value == b"2"
    assert backend.invalidate(tag="t") == 0


@pytest.mark.parametrize("change", ["same value", "delete", "soft", "time"])
def test_what_was_changed_since_it_was_found_is_not_replaced(backend, change):
    backend.set("k", b"1", ttl=0.3 if change == "time" else 60, stale=60 if change == "soft" else 0)
    found = backend.get("k")
    if change == "same value":
        backend.set("k", b"1", ttl=60)
    elif change == "time":
        until(lambda: backend.get("k") is None)
    else:
        backend.invalidate(key="k", soft=change == "soft")
    assert backend.set("k", b"2", ttl=60, over=found) is False
    assert (backend.get("k") or Found(b"", 0, 0, 0, "memory")).value == (
        b"1" if change in ("same value", "soft") else b""
    )


def test_changes_of_many_threads_are_all_there(url, kind):
    """Each adds 1 so many times, in place of what it has read."""
    near = 1 << 20 if kind == "near" else None
    backends = [opened([url], timeout=10, token=TOKEN, near=near) for _ in range(1 if kind == "memory" else 4)]
    backends[0].set("n", b"0", ttl=60)

    def add(backend):
        for _ in range(15):
            while not (found := backend.get("n")) or not backend.set(
                "n", str(int(found.value) + 1).encode(), ttl=60, over=found
            ):
                pass

    threads = [threading.Thread(target=add, args=(backends[at % len(backends)],)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert backends[0].get("n").value == b"60"
    for backend in backends:
        backend.close()


def test_a_lease_that_is_given_up_goes_to_the_next(backend):
    lease = backend.lease("k", seconds=60, wait=0)
    backend.give_up(lease)
    second = backend.lease("k", seconds=60, wait=0)
    assert isinstance(second, Lease)
    assert second.id != lease.id
    assert backend.set("k", b"old", ttl=60, lease=lease) is False
    assert backend.set("k", b"new", ttl=60, lease=second) is True


def test_a_lease_runs_out(backend):
    lease = backend.lease("k", seconds=0.1, wait=0)
    second = backend.lease("k", seconds=60, wait=20)
    assert isinstance(second, Lease)
    assert backend.set("k", b"old", ttl=60, lease=lease) is False


@pytest.mark.parametrize("seconds", [1e-6, 1e6])
def test_a_lease_of_any_length_is_granted(backend, seconds):
    assert isinstance(backend.lease("k", seconds=seconds, wait=0), Lease)


@pytest.fixture
def hearing():
    """Where the tests run in the background, a process is born deaf to Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hearing")
def test_who_waits_in_a_thread_hears_of_an_interruption(url):
    """Ctrl-C is told to Python code only, which a thread in a long wait doesn't run."""
    backend = opened([url], timeout=10, token=TOKEN)
    backend.lease("k", seconds=60, wait=0)
    began = time.monotonic()
    interrupting = threading.Timer(0.2, _thread.interrupt_main)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        backend.lease("k", seconds=60, wait=60)
    assert time.monotonic() - began < 30
    interrupting.join()
    assert backend.set("l", b"1", ttl=60)
    assert backend.get("l").value == b"1"
    backend.close()


def test_a_stale_value_is_used_while_one_renews_it(backend):
    backend.set("k", b"1", ttl=60, stale=60)
    backend.invalidate(key="k", soft=True)
    lease = backend.lease("k", seconds=60, wait=0)
    assert isinstance(lease, Lease)
    assert lease.stale.value == b"1"
    found = backend.lease("k", seconds=60, wait=0)
    assert isinstance(found, Found)
    assert found.fresh_for <= 0


@pytest.mark.parametrize("what", [{"key": "post:1"}, {"tag": "posts"}, {"prefix": "post:"}, {"prefix": ""}])
@pytest.mark.parametrize("soft", [False, True])
def test_a_value_computed_before_an_invalidation_is_not_stored_after_it(backend, what, soft):
    lease = backend.lease("post:1", seconds=60, wait=0)
    backend.invalidate(**what, soft=soft)
    assert backend.set("post:1", b"old", ttl=60, tags=["posts"], lease=lease) is False
    assert backend.get("post:1") is None


def test_a_lease_survives_invalidations_of_others(backend):
    lease = backend.lease("post:1", seconds=60, wait=0)
    backend.invalidate(key="post:2")
    backend.invalidate(tag="pages")
    backend.invalidate(prefix="page:")
    assert backend.set("post:1", b"new", ttl=60, tags=["posts"], lease=lease) is True
