"""`cached` on functions and coroutine functions: what is kept, for how long, and what is told."""

import asyncio
import contextvars
import dataclasses
import inspect
import logging
import os
import threading

import pytest

from headrace.cache.decorator import cached
from headrace.cache.errors import DecorationError, SerializeError
from headrace.cache.serializers import Json
from tests.cache.stores import eventually


@dataclasses.dataclass
class Post:
    id: int
    title: str


class Calls:
    """Counts calls; gives a new value each time."""

    def __init__(self):
        self.count = 0

    def __call__(self, *args):
        self.count += 1
        return [self.count, *args]


@pytest.fixture
def calls():
    return Calls()


class Running:
    """Calls of functions and of coroutine functions, written alike."""

    def __init__(self, kind):
        self.asynchronous = kind == "coroutine function"
        self._loop = asyncio.new_event_loop()

    def __call__(self, result):
        return self._loop.run_until_complete(result) if self.asynchronous else result

    def until(self, holds):
        """Lets work in the background go on until it `holds`."""

        def looked():
            self._loop.run_until_complete(asyncio.sleep(0.001))
            return holds()

        eventually(looked)

    def close(self):
        while left := asyncio.all_tasks(self._loop):
            self._loop.run_until_complete(asyncio.wait(left))
        self._loop.close()


@pytest.fixture(params=["function", "coroutine function"])
def run(request):
    running = Running(request.param)
    yield running
    running.close()


@pytest.fixture
def make(run, cache, calls):
    """Decorates a function of `post_id`, or a coroutine function."""

    def decorated(body=calls, **options):
        def show(post_id, page=1):
            return body(post_id)

        async def show_later(post_id, page=1):
            await asyncio.sleep(0)
            return body(post_id)

        options = {"ttl": 60, "key": "post:{post_id}", "cache": cache, **options}
        return cached(**options)(show_later if run.asynchronous else show)

    return decorated


def test_the_second_call_is_answered_by_the_cache(make, run, calls):
    show = make()
    assert [run(show(3)), run(show(3)), run(show(post_id=3)), run(show(4))] == [[1, 3], [1, 3], [1, 3], [2, 4]]
    assert calls.count == 2


def test_none_is_a_value(make, run):
    seen = []
    show = make(body=seen.append)
    assert [run(show(3)), run(show(3))] == [None, None]
    assert seen == [3]


def test_what_a_hit_tells(make, run, cache):
    show = make(stale=60)
    assert dataclasses.astuple(run(show.hit(3))) == ([1, 3], 0, False, "call")
    cache.backend.passed = 50
    hit = run(show.hit(3))
    assert (hit.value, hit.stale, hit.source) == ([1, 3], False, "memory")
    assert 50 <= hit.age < 60


def test_a_value_ends_with_its_lifetime(make, run, cache):
    show = make(ttl="1m")
    run(show(3))
    cache.backend.passed = 61
    assert run(show(3)) == [2, 3]


def test_a_stale_value_is_given_at_once_and_renewed_once(make, run, cache, calls):
    show = make(stale="1h")
    run(show(3))
    cache.backend.passed = 61
    hits = [run(show.hit(3))]
    assert (hits[0].value, hits[0].stale) == ([1, 3], True)
    run.until(lambda: not run(show.hit(3)).stale)
    assert run(show(3)) == [2, 3]
    assert calls.count == 2


def test_a_renewal_that_fails_is_told_once_and_the_value_stays_until_its_end(make, run, cache, caplog):
    outcomes = iter([["first"], ValueError("no database"), ValueError("no database")])

    def body(post_id):
        outcome = next(outcomes, ["last"])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    show = make(body=body, stale="1h")
    run(show(3))
    cache.backend.passed = 61
    with caplog.at_level(logging.WARNING, "headrace.cache"):
        seen = []
        run.until(lambda: seen.append(run(show(3))) or seen[-1] == ["last"])
    assert [value for value in seen if value != ["first"]] == [["last"]]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [f"{__name__}.{show.__qualname__}"]
    run.until(lambda: "no database" in caplog.text)  # the thread that tells may not be through with it


def test_a_renewal_has_the_context_of_the_caller(make, run, cache):
    tenant = contextvars.ContextVar("tenant", default="none")
    show = make(body=lambda post_id: tenant.get(), stale="1h")
    run(show(3))
    cache.backend.passed = 61
    tenant.set("acme")
    run.until(lambda: run(show(3)) == "acme")


def test_an_error_is_raised_and_not_kept(make, run):
    outcomes = iter([ValueError("once")])

    def body(post_id):
        for outcome in outcomes:
            raise outcome
        return "fine"

    show = make(body=body)
    with pytest.raises(ValueError, match="once"):
        run(show(3))
    assert run(show(3)) == "fine"


def test_invalidate_removes_the_value_of_the_same_arguments(make, run):
    show = make()
    run(show(3))
    assert run(show.invalidate(post_id=3)) is True
    assert run(show.invalidate(3)) is False
    assert run(show(3)) == [2, 3]


def test_tags_are_kept_with_the_value(make, run, cache):
    show = make(tags=["posts", "post:{post_id}"])
    run(show(3))
    assert show.tags(3) == ["posts", "post:3"]
    assert cache.backend.invalidate(tag="post:3") == 1
    assert run(show(3)) == [2, 3]


def test_refresh_calls_the_function_and_keeps_what_it_gives(make, run):
    show = make(stale=60)
    run(show(3))
    assert run(show.refresh(3)) == [2, 3]
    assert run(show(3)) == [2, 3]


def test_uncached_is_the_function(make, run, calls):
    show = make()
    run(show(3))
    assert run(show.uncached(3)) == [2, 3]


def test_what_is_not_to_be_kept_is_given_and_not_kept(make, run, cache):
    show = make(
        body=lambda post_id: None if post_id < 0 else object() if post_id == 0 else 1,
        cache_if=bool,
        unless=lambda value: not isinstance(value, int),
    )
    assert run(show(-1)) is None
    assert type(run(show(0))) is object
    assert run(show(1)) == 1
    assert list(cache.backend.entries) == ["post:1"]
    assert not cache.backend.leases


def test_saved_later_the_value_is_there_soon(make, run, cache):
    show = make(save="later")
    assert run(show(3)) == [1, 3]
    run.until(lambda: "post:3" in cache.backend.entries)
    assert run(show(3)) == [1, 3]


def test_a_cache_that_is_away_leaves_the_function(make, run, cache, calls):
    show = make()
    cache.backend.away = True
    assert [run(show(3)), run(show(3))] == [[1, 3], [2, 3]]
    assert run(show.refresh(3)) == [3, 3]
    assert run(show.invalidate(3)) is False


def test_what_was_invalidated_while_it_was_computed_is_not_kept(make, run, cache):
    show = make(body=lambda post_id: cache.backend.invalidate(key="post:3") or ["old"])
    assert run(show(3)) == ["old"]
    assert not cache.backend.entries


def test_a_function_that_asks_for_its_own_value_does_not_wait_for_itself(run, cache):
    depth = []

    def recursive():
        depth.append(1)
        return [kept()] if len(depth) < 3 else "end"

    async def recursive_later():
        depth.append(1)
        return [await kept()] if len(depth) < 3 else "end"

    kept = cached(ttl=60, key="x", cache=cache)(recursive_later if run.asynchronous else recursive)
    assert run(kept()) == [["end"]]


def test_what_cannot_be_read_counts_as_not_there(make, run, cache):
    show = make()
    cache.backend.set("post:3", b"{", ttl=60)
    assert run(show(3)) == [1, 3]


def test_a_value_that_cannot_be_kept_is_a_mistake_that_is_told(make, run, cache):
    show = make(body=lambda post_id: object())
    with pytest.raises(SerializeError, match="can't keep"):
        run(show(3))
    assert not cache.backend.leases


def test_a_hit_has_the_type_that_the_function_says_it_returns(cache):
    @cached(ttl=60, key="post:{post_id}", cache=cache)
    def show(post_id: int) -> Post:
        return Post(post_id, "Mill")

    assert show(3) == show(3) == Post(3, "Mill")


def test_a_call_gives_what_a_hit_will_give(cache):
    @cached(ttl=60, key="post:{post_id}", cache=cache)
    def show(post_id):
        return (post_id, Post(3, "Mill"))

    assert show(3) == show(3) == [3, {"id": 3, "title": "Mill"}]


def test_a_serializer_of_ones_own_is_used_as_it_is(cache):
    @cached(ttl=60, key="post:{post_id}", cache=cache, serializer=Json(Post))
    def show(post_id):
        return Post(post_id, "Mill")

    assert show(3) == show(3) == Post(3, "Mill")


class Blog:
    def __init__(self, name, cache=None):
        self.id = name
        self.cache = cache

    def shown(self, post_id):
        return [self.id, post_id, os.urandom(4).hex()]


def test_methods_are_bound_with_all_they_have(run, cache):
    def plain(self, post_id):
        return self.shown(post_id)

    async def coroutine(self, post_id):
        return self.shown(post_id)

    class Mine(Blog):
        show = cached(ttl=60, key="{self.id}:{post_id}", tags=["{self.id}"], cache=cache)(
            coroutine if run.asynchronous else plain
        )

    one, other = Mine("one"), Mine("other")
    first = run(one.show(3))
    assert run(one.show(3)) == run(Mine.show(one, 3)) == run(one.show.hit(post_id=3)).value == first
    assert run(other.show(3))[0] == "other"
    assert (one.show.key(3), one.show.tags(3)) == ("one:3", ["one"])
    assert run(one.show.uncached(3)) != first
    assert run(one.show.invalidate(3))
    assert run(one.show(3)) != first


def test_class_methods_and_static_methods_in_either_order(cache):
    options = {"ttl": 60, "cache": cache}

    class Shop:
        @cached(**options)
        @classmethod
        def outer(cls, number):
            return [cls.__name__, number]

        @classmethod
        @cached(**options)
        def inner(cls, number):
            return [cls.__name__, number]

        @cached(**options)
        @staticmethod
        def static_outer(number):
            return number

        @staticmethod
        @cached(**options)
        def static_inner(number):
            return number

    class Other(Shop): ...

    for name in ("outer", "inner"):
        assert getattr(Shop, name)(1) == getattr(Shop, name)(1) == ["Shop", 1]
        assert getattr(Other(), name)(1) == ["Other", 1]
    assert Shop.static_outer(2) == Shop().static_outer(2) == Shop.static_inner(2) == Shop().static_inner(2) == 2
    assert Shop.outer.invalidate(1)
    assert Shop().static_outer.invalidate(2)


def test_a_decorated_function_looks_like_the_function(cache):
    @cached(ttl=60, cache=cache)
    def show(post_id: int, *, page: int = 1) -> list[int]:
        """Shows."""
        return [post_id, page]

    @cached(ttl=60, cache=cache)
    async def later(post_id): ...

    assert (show.__name__, show.__doc__) == ("show", "Shows.")
    assert str(inspect.signature(show)) == "(post_id: int, *, page: int = 1) -> list[int]"
    assert inspect.iscoroutinefunction(later.__call__)
    with pytest.raises(TypeError, match=r"show\(\) got an unexpected keyword argument 'pages'"):
        show(1, pages=2)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"ttl": "soon"}, "cached(ttl='soon') is no duration"),
        ({"ttl": -1}, "cached(ttl=-1) is no duration"),
        ({"ttl": 0}, "cached(ttl=0) keeps nothing"),
        ({"ttl": 1, "stale": None}, "cached(stale=None) is no duration"),
        ({"ttl": 1, "save": "never"}, "cached(save='never')"),
    ],
)
def test_options_that_are_none_are_refused(options, what):
    with pytest.raises(DecorationError) as error:
        cached(**options)
    assert what in str(error.value)


def test_generators_and_classes_are_refused():
    def generator():
        yield 1

    async def async_generator():
        yield 1

    for function in (generator, async_generator):
        with pytest.raises(DecorationError, match="generator gives its values only once; return a list"):
            cached(ttl=1)(function)
    for thing in (Post, 3):
        with pytest.raises(DecorationError, match="no function"):
            cached(ttl=1)(thing)


def test_without_a_cache_it_is_the_one_of_the_environment(monkeypatch):
    asked = []
    monkeypatch.setattr("headrace.cache.decorator.shared_cache", asked.append)

    @cached(ttl=1)
    def show(): ...

    with pytest.raises(AttributeError):
        show()
    assert asked == [None]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_after_a_fork_the_child_goes_on(cache):
    begun, go_on = threading.Event(), threading.Event()

    @cached(ttl=60, key="x", cache=cache)
    def slow():
        begun.set()
        assert go_on.wait(20)
        return "value"

    thread = threading.Thread(target=slow)
    thread.start()
    assert begun.wait(20)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        go_on.set()
        cache.backend.leases.clear()
        os.write(write, slow().encode())
        os._exit(0)
    assert os.read(read, 20) == b"value"
    os.waitpid(child, 0)
    go_on.set()
    thread.join()
