"""`redis://`: a Redis that is away breaks nothing."""

import os
import signal
import time

from headrace.cache.cache import Cache
from headrace.cache.circuit import Circuit
from tests.cache.redis_process import redis_process


def test_a_redis_that_is_stopped_started_and_killed_breaks_nothing(tmp_path, caplog):
    with redis_process(tmp_path) as (url, process), Cache(url, timeout=0.2) as cache:
        assert cache.set("k", 1, ttl=60)
        os.kill(process.pid, signal.SIGSTOP)
        began = time.monotonic()
        values = [cache.get("k") for _ in range(500)]
        assert values[-1] is None
        assert time.monotonic() - began < 5, "most calls are not made at all"
        os.kill(process.pid, signal.SIGCONT)
        deadline = time.monotonic() + 30
        while cache.get("k") != 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()
        process.wait()
        for _ in range(5):
            assert cache.get("k", "gone") == "gone"
            assert cache.set("k", 1, ttl=60) is False
            assert cache.invalidate(tag="t") == 0
    told = [record.message for record in caplog.records if record.name == "headrace.cache"]
    assert ["is not used" in message for message in told if "did not hear" not in message] == [True, False, True]


def test_a_redis_behind_the_wrong_password_is_told_once(tmp_path, caplog):
    with redis_process(tmp_path, "--requirepass", "right") as (url, _):
        with Cache(url.replace("//", "//:mistaken@")) as cache:
            for _ in range(3):
                assert cache.get("k") is None
        with Cache(url.replace("//", "//:right@")) as cache:
            assert cache.set("k", 1, ttl=60)
    assert "mistaken" not in caplog.text
    assert [record.levelname for record in caplog.records if record.name == "headrace.cache"] == ["ERROR"]


def test_the_circuit_opens_after_three_failures_and_doubles_its_pause():
    now = [100.0]
    circuit = Circuit(lambda: now[0])
    for _ in range(3):
        assert circuit.admits()
        circuit.failed()
    pauses = []
    for _ in range(6):
        began = now[0]
        while not circuit.admits():
            now[0] += 0.5
        pauses.append(now[0] - began)
        assert not circuit.admits(), "one asks for all"
        circuit.failed()
    assert pauses == [1, 2, 4, 8, 15, 15]
    circuit.succeeded()
    assert circuit.admits()
