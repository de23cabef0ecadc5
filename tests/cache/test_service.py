"""`headrace cache` as a process: its ports, its token, its life."""

import signal
from pathlib import Path

import httpx
import pytest

from headrace import Cache
from tests.processes import run, until

from .service_process import cache


@pytest.mark.parametrize("plain", [False, True])
def test_values_are_kept_until_their_time_is_over(tmp_path, plain):
    with cache(tmp_path, plain=plain) as service:
        assert service.put("post:3", b"value", "max-age=600", **{"Content-Type": "text/plain"}).status_code == 204
        answer = service.get("post:3")
        assert (answer.content, answer.headers["content-type"]) == (b"value", "text/plain")
        assert answer.http_version == ("HTTP/1.1" if plain else "HTTP/2")
        service.put("brief", b"value", "max-age=0.05")
        assert until(lambda: service.get("brief").status_code == 404)


def test_both_ports_ask_for_the_token(tmp_path):
    with cache(tmp_path) as service:
        for url in (f"{service.url}/?key=a", f"{service.url}/stats", f"{service.admin_url}/status"):
            with service.client(url, headers={}) as stranger:
                answer = stranger.get(url)
            assert (answer.status_code, "headrace token" in answer.json()["message"]) == (401, True)


def test_an_open_cache_asks_for_none_and_is_on_loopback_only(tmp_path):
    with cache(tmp_path, "--open", plain=True) as service:
        answer = httpx.put(f"{service.url}/?key=a", content=b"value", headers={"Cache-Control": "max-age=5"})
        assert answer.status_code == 204


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (("--max-bytes", "1k", "--max-value", "2k"), r"max_value is not less than max_bytes \(2 KiB, 1 KiB\)"),
        (("--open", "--address", "0.0.0.0:0"), "open cannot go with the address"),
        (("--max-value", "0"), "max_value"),
        (("--max-bytes", "much"), "max_bytes"),
    ],
)
def test_settings_that_make_no_sense_are_told(tmp_path, flags, reason):
    with pytest.raises(AssertionError, match=reason), cache(tmp_path, *flags):
        pass


def test_its_admin_port_tells_what_it_does(tmp_path):
    with cache(tmp_path, "--max-bytes", "10m", "--max-value", "1m") as service:
        service.put("a", b"value")
        service.get("a"), service.get("b")
        status = service.status()
        assert (status["entries"], status["hits"], status["misses"], status["hit_ratio"]) == (1, 1, 1, 0.5)
        assert (status["max_bytes"], status["requests"]) == (10 << 20, 3)
        assert [service.admin.get(f"/{probe}").status_code for probe in ("healthz", "readyz")] == [200, 200]
        text = service.admin.get("/metrics").text
        for line in (
            "headrace_cache_store_entries 1.0",
            "headrace_cache_store_hits_total 1.0",
            'headrace_cache_requests_total{protocol="http2"} 3.0',
            "headrace_cache_request_seconds_count 3.0",
        ):
            assert line in text


def test_memory_is_bounded(tmp_path):
    with cache(tmp_path, "--max-bytes", "1m", "--max-value", "100k") as service:
        for number in range(100):
            assert service.put(f"k{number}", b"x" * 50_000).status_code == 204
        status = service.status()
        assert status["bytes"] <= 1 << 20
        assert status["evictions"] >= 100 - (1 << 20) // 50_000
        assert service.put("large", b"x" * 200_000).status_code == 413


@pytest.mark.parametrize("plain", [False, True], ids=["tls", "plain"])
async def test_a_value_that_is_too_large_leaves_the_cache_to_the_others(tmp_path, plain):
    with cache(tmp_path, "--max-value", "100k", plain=plain) as service:
        trust = {} if plain else {"ca": str(service.ca)}
        with Cache(service.url, token=service.token, timeout=20, **trust) as client:
            for number in range(3):
                assert client.set("large", b"x" * 20_000_000, ttl=60) is False
                assert await client.aset("large", b"x" * 20_000_000, ttl=60) is False
                assert client.set("k", number, ttl=60)
                assert await client.aget("k") == number
            counts = client.counts()
            assert (counts["refused"], counts["failures"]) == (6, 0)


def test_a_stop_lets_requests_finish_and_ends_those_who_only_wait(tmp_path):
    with cache(tmp_path, plain=True) as service:
        service.public.get("/", params={"key": "a", "lease": "60"})
        with service.public.stream("GET", "/events") as events:
            lines = events.iter_lines()
            assert next(lines) == "event: ready"
            assert service.stop() == 0
            assert list(lines) is not None, "the stream ends"


def test_two_signals_end_it_at_once(tmp_path):
    with cache(tmp_path, "--drain", "600s") as service, service.public.stream("GET", "/events"):
        service.process.send_signal(signal.SIGTERM)
        assert service.stop(signal.SIGINT) == 0


def test_it_is_told_to_the_central_log(tmp_path):
    with cache(tmp_path, "--logs", "http://127.0.0.1:1", plain=True) as service:
        assert service.put("a", b"value").status_code == 204


def test_values_are_kept_over_a_restart_where_that_is_asked_for(tmp_path):
    snapshot = tmp_path / "snapshot"
    with cache(tmp_path, "--snapshot", str(snapshot)) as service:
        service.put("a", b"value", **{"Cache-Tags": "t"})
        assert service.stop() == 0
    assert snapshot.stat().st_mode & 0o077 == 0, "others cannot read it"
    with cache(tmp_path, "--snapshot", str(snapshot)) as service:
        assert service.get("a").content == b"value"
        assert not snapshot.exists(), "it is good for one start"
        assert service.public.post("/invalidate", params={"tag": "t"}).json() == {"invalidated": 1}


def test_a_damaged_snapshot_is_set_aside(tmp_path):
    snapshot = tmp_path / "snapshot"
    snapshot.write_bytes(b"nonsense")
    with cache(tmp_path, "--snapshot", str(snapshot)) as service:
        assert service.get("a").status_code == 404
        assert "damaged" in service.log()
    assert (tmp_path / "snapshot.damaged").read_bytes() == b"nonsense"


@pytest.mark.parametrize(
    ("snapshot", "why"),
    [
        ("/dev/full", "the snapshot /dev/full is no regular file; name one"),
        ("/", "the snapshot / is no regular file"),
        ("/proc/nowhere/snapshot", "no snapshot can be written to /proc/nowhere: No such file or directory"),
    ],
)
def test_a_snapshot_that_cannot_be_written_is_told_at_the_start(tmp_path, snapshot, why):
    done = run("cache", "--snapshot", snapshot, "--state", "state", "--address", "127.0.0.1:0", folder=tmp_path)
    assert done.returncode in (1, 2)
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert Path("/dev/full").is_char_device()
