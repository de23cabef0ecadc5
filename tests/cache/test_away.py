"""A cache that is down, slow or lost in any way breaks nothing: bounded in time, told once, counted."""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from headrace.cache.cache import Cache
from tests.cache.scripted import Scripted, plain, response, scripted
from tests.core.certificates import Authority

SLOW = 5.0  # seconds: far above what the time-out allows, far below what the tests' machine could add


@pytest.fixture(params=["sync", "async"])
def ask(request):
    """Calls a method of a cache, in either way."""
    if request.param == "sync":
        yield lambda cache, name, *args, **options: getattr(cache, name)(*args, **options)
        return
    with asyncio.Runner() if sys.version_info >= (3, 11) else _Runner() as runner:
        caches = []

        def call(cache, name, *args, **options):
            caches.append(cache)
            return runner.run(_awaited(getattr(cache, f"a{name}"), args, options))

        yield call
        for cache in caches:
            runner.run(cache.aclose())


async def _awaited(method, args, options):
    return await method(*args, **options)


class _Runner:
    """`asyncio.Runner` of Python 3.10."""

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        return self

    def __exit__(self, *_):
        self.loop.close()

    def run(self, awaitable):
        return self.loop.run_until_complete(awaitable)


def asked(ask, cache):
    """Every kind of call; none may raise. Seconds that they took."""
    began = time.monotonic()
    assert ask(cache, "get", "k", "default") == "default"
    assert ask(cache, "get_many", ["k", "l"]) == {}
    assert ask(cache, "set", "k", 1, ttl=60) is False
    ask(cache, "set_many", {"k": 1}, ttl=60)
    assert ask(cache, "delete", "k") is False
    assert ask(cache, "invalidate", tag="t") == 0
    return time.monotonic() - began


def hangs(head, values):
    time.sleep(60)


TROUBLES = {
    "garbage": lambda head, values: b"SMTP ready\r\n\r\n",
    "an empty line": lambda head, values: b"\r\n\r\n",
    "no answer": lambda head, values: None,
    "an overload": lambda head, values: response(503),
    "a proxy's page": lambda head, values: response(302, b"<html>", Location="/login"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_cache_that_answers_nonsense_breaks_nothing(ask, trouble):
    with scripted(TROUBLES[trouble]) as server, Cache(server.url) as cache:
        assert asked(ask, cache) < SLOW
        assert cache.counts()["failures"] == 6
        assert server.requests <= 6, "the circuit stays open after three failures"


@pytest.mark.parametrize("part", [b"HTTP/1.1 200 OK\r\nConte", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"])
def test_half_an_answer_is_none(ask, part):
    server = Scripted()

    def half(head, values):
        server.stream.sendall(part)

    server.answer = half
    with Cache(server.url) as cache:
        assert ask(cache, "get", "k") is None
        assert cache.counts()["failures"] == 1
    server.close()


def test_a_cache_that_trickles_is_too_slow(ask):
    server = Scripted()

    def trickle(head, values):
        whole = response(200, b"x" * 1000, Cache_Control="max-age=60")
        for byte in whole:
            server.stream.sendall(bytes([byte]))
            time.sleep(0.02)

    server.answer = trickle
    with Cache(server.url, timeout=0.2) as cache:
        began = time.monotonic()
        assert ask(cache, "get", "k") is None
        assert 0.19 <= time.monotonic() - began < SLOW
    server.close()


def test_nobody_at_the_address_breaks_nothing(ask, caplog):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Cache(f"http://127.0.0.1:{port}") as cache:
        assert asked(ask, cache) < SLOW
    told = [record for record in caplog.records if "not used until it is back" in record.message]
    assert len(told) == 1


def test_a_name_that_is_none_breaks_nothing(ask):
    with Cache("http://cache.invalid:5000") as cache:
        assert asked(ask, cache) < SLOW


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def test_values_go_over_tls(ask, authority):
    context = authority.leaf("127.0.0.1").server_context()
    with scripted(tls=context) as server, Cache(server.url, ca=authority.ca, timeout=10) as cache:
        assert ask(cache, "set", "k", "x" * 300_000, ttl=60)
        assert ask(cache, "get", "k") == "x" * 300_000
        assert server.connections == 1
        server.drop()
        assert ask(cache, "get", "k") == "x" * 300_000


def test_a_plain_server_where_tls_is_expected_breaks_nothing(ask, authority):
    with scripted() as server, Cache(server.url.replace("http:", "https:"), ca=authority.ca) as cache:
        assert asked(ask, cache) < SLOW
        assert cache.counts()["failures"] == 6


def test_a_certificate_of_somebody_else_breaks_nothing_and_is_told_nothing(ask, authority, tmp_path):
    foreign = Authority(tmp_path, "foreign").leaf("127.0.0.1").server_context()
    with scripted(tls=foreign) as server, Cache(server.url, ca=authority.ca) as cache:
        assert asked(ask, cache) < SLOW
        assert cache.counts()["failures"] == 6
        assert server.requests == 0


def test_a_wrong_token_is_told_loudly_and_once(ask, caplog):
    def denies(head, values):
        assert b"authorization: Bearer wrong\r\n" in head
        return response(401, b'{"message": "the token is not this service\'s"}')

    with scripted(denies) as server, Cache(server.url, token="wrong") as cache:
        asked(ask, cache)
        told = [record for record in caplog.records if record.levelno == logging.ERROR and "let" in record.message]
        assert len(told) == 1
        assert "the token is not this service's" in told[0].message


def test_time_is_bounded_by_the_time_out_and_then_by_the_circuit(ask):
    with scripted(hangs) as server, Cache(server.url, timeout=0.1) as cache:
        times = []
        for _ in range(20):
            began = time.monotonic()
            assert ask(cache, "get", "k") is None
            times.append(time.monotonic() - began)
        assert sum(one >= 0.1 for one in times) in (3, 4), "three failures open the circuit; one may have asked since"


def test_it_is_used_again_when_it_is_back(ask, caplog):
    caplog.set_level(logging.WARNING)
    with scripted(lambda head, values: None) as server, Cache(server.url) as cache:
        for _ in range(5):
            ask(cache, "get", "k")
        server.answer = plain
        deadline = time.monotonic() + 30
        while not ask(cache, "set", "k", 1, ttl=60):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert ask(cache, "get", "k") == 1
        assert "is back" in caplog.text


def test_connections_that_the_server_closed_are_replaced_unnoticed(ask):
    with scripted() as server, Cache(server.url) as cache:
        for _ in range(5):
            assert ask(cache, "set", "k", 1, ttl=60)
            assert ask(cache, "get", "k") == 1
            server.drop()
        assert cache.counts()["failures"] == 0


def test_a_refused_value_is_no_reason_to_leave_the_cache_alone(ask):
    def refuses(head, values):
        return response(413) if head.startswith(b"PUT") else plain(head, values)

    with scripted(refuses) as server, Cache(server.url) as cache:
        for _ in range(10):
            assert ask(cache, "set", "k", 1, ttl=60) is False
        assert cache.counts()["refused"] == 10
        assert cache.counts()["failures"] == 0
        assert ask(cache, "get", "k") is None
        assert server.requests == 11


def test_a_cancelled_call_disturbs_no_other():
    release = threading.Event()

    def slow(head, values):
        release.wait(5)
        return plain(head, values)

    async def run():
        with scripted() as server:
            server.values["k"] = b"1"
            async with Cache(server.url, timeout=10) as cache:
                server.answer = slow
                calls = [asyncio.create_task(cache.aget("k")) for _ in range(10)]
                await asyncio.sleep(0)
                for call in calls[::2]:
                    call.cancel()
                release.set()
                assert await asyncio.gather(*calls[1::2]) == [1] * 5
                assert await asyncio.gather(*(cache.aget("k") for _ in range(300))) == [1] * 300

    asyncio.run(run())


def test_a_busy_event_loop_takes_answers_that_have_come():
    async def run():
        with scripted() as server:
            server.values["k"] = b"1"
            async with Cache(server.url, timeout=0.1) as cache:
                call = asyncio.create_task(cache.aget("k"))
                await asyncio.sleep(0)
                time.sleep(0.3)  # noqa: ASYNC251 - the loop is busy
                assert await call == 1

    asyncio.run(run())


def test_each_event_loop_of_each_thread_has_its_own_connections():
    with scripted() as server, Cache(server.url, timeout=5) as cache:
        server.values["k"] = b"1"
        found = []

        def loop():
            async def run():
                found.extend(await asyncio.gather(*(cache.aget("k") for _ in range(20))))

            asyncio.run(run())

        threads = [threading.Thread(target=loop) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [1] * 80


def test_an_event_loop_without_descriptors_uses_threads():
    class Bare(asyncio.SelectorEventLoop):
        def add_reader(self, *_):
            raise NotImplementedError

        _add_reader = asyncio.SelectorEventLoop.add_reader

    with scripted() as server, Cache(server.url) as cache:
        server.values["k"] = b"1"
        loop = asyncio.new_event_loop()
        loop.add_reader = Bare.add_reader.__get__(loop)
        try:
            assert loop.run_until_complete(cache.aget("k")) == 1
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()


def test_a_child_has_connections_of_its_own():
    with scripted() as server, Cache(server.url) as cache:
        server.values["k"] = b"1"
        assert cache.get("k") == 1
        child = os.fork()
        if child == 0:
            os._exit(0 if cache.get("k") == 1 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert cache.get("k") == 1
        assert server.connections == 2


STUB = """
import sys, time
sys.path.insert(0, {root!r})
from tests.cache.scripted import Scripted
server = Scripted()
print(server.url, flush=True)
time.sleep(600)
"""


@pytest.fixture
def process():
    """A cache server that is a process, and its URL."""
    root = Path(__file__).parents[2]
    started = subprocess.Popen([sys.executable, "-c", STUB.format(root=str(root))], stdout=subprocess.PIPE, text=True)
    try:
        yield started, started.stdout.readline().strip()
    finally:
        started.kill()
        started.wait()
        started.stdout.close()


def test_a_stopped_cache_costs_a_few_time_outs(ask, process):
    server, url = process
    with Cache(url, timeout=0.1) as cache:
        assert ask(cache, "set", "k", 1, ttl=60)
        server.send_signal(signal.SIGSTOP)
        status = Path(f"/proc/{server.pid}/stat")
        while status.read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.001)
        assert asked(ask, cache) < SLOW
        server.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + 30
        while ask(cache, "get", "k") != 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_cache_that_is_killed_under_load_raises_nowhere(process):
    server, url = process
    errors, slowest, done = [], [0.0], [0]

    def load(cache):
        try:
            for at in range(400):
                began = time.monotonic()
                cache.set(f"k{at % 10}", at, ttl=60)
                cache.get(f"k{at % 10}")
                slowest[0] = max(slowest[0], time.monotonic() - began)
                done[0] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not be
            errors.append(error)

    with Cache(url) as cache:
        threads = [threading.Thread(target=load, args=(cache,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        while done[0] < 100:
            time.sleep(0.001)
        server.kill()
        for thread in threads:
            thread.join()
        assert not errors
        assert done[0] == 1600
        assert slowest[0] < SLOW
        assert cache.counts()["failures"] > 0
