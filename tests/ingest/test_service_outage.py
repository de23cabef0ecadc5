"""The target is away, wrong or slow: everything that was acknowledged waits in the journal, and lands once it can."""

import gzip
import json
import os
import socket
from pathlib import Path

import httpx
import obstore
import pytest
from obstore.store import S3Store

from tests.processes import free_port, until
from tests.sinks.store_server import BUCKET, environment, s3_server, scripted_store

from .service_process import ingest, payloads

pytest.importorskip("headrace._core", reason="the compiled core is not installed")

MENDED = 120.0  # seconds; pauses between attempts have doubled meanwhile


@pytest.fixture
def store_port():
    return free_port()


def landed(url: str) -> list[str]:
    """All payloads in the bucket."""
    said = {name.lower(): value for name, value in environment(url).items()}
    store = S3Store(BUCKET, config=said, client_options={"allow_http": True})
    keys = sorted(entry["path"] for entries in obstore.list(store) for entry in entries)
    bodies = (bytes(obstore.get(store, key).bytes()) for key in keys)
    return [json.loads(line) for body in bodies for line in gzip.decompress(body).splitlines()]


def test_a_store_that_is_away_delays_and_loses_nothing(tmp_path, store_port):
    url = f"http://127.0.0.1:{store_port}"
    with ingest(tmp_path, to=f"s3://{BUCKET}/raw", environ=environment(url)) as service:
        service.accept("before it came")
        until(lambda: service.status()["failed_uploads"].get("transient"), what="failed upload")
        assert service.status()["queue"] == 1
        assert service.admin.get("/readyz").status_code == 200
        with s3_server(store_port):
            service.until_landed(MENDED)
            service.accept("while it was there")
            service.until_landed(MENDED)
            assert landed(url) == ["before it came", "while it was there"]
        service.accept("after it went")
        until(lambda: service.status()["queue"] == 1, what="waiting payload")
        with s3_server(store_port):
            service.until_landed(MENDED)
            assert landed(url) == ["after it went"]
        assert service.stop() == 0


def test_a_full_queue_refuses_says_when_to_come_again_and_takes_again(tmp_path, store_port):
    url = f"http://127.0.0.1:{store_port}"
    with ingest(tmp_path, "--queue", "10", to=f"s3://{BUCKET}", environ=environment(url)) as service:
        for number in range(10):
            service.accept(number)
        refused = service.post("too much")
        assert refused.status_code == 503
        assert 1 <= int(refused.headers["Retry-After"]) <= 300
        assert refused.json()["error"] == "queue_full"
        assert service.status()["refused"] == {"queue_full": 1}
        with s3_server(store_port):
            until(lambda: service.post("later").status_code == 200, MENDED, what="room")
            service.until_landed(MENDED)
            assert sorted(map(str, landed(url))) == sorted([*map(str, range(10)), "later"])
        assert service.stop() == 0


def test_a_stop_that_waits_for_the_store_waits_in_peace(tmp_path):
    """Waiting takes no processor time: what the service used is far less than how long it waited."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        with ingest(tmp_path, "--drain", "5s", to=f"s3://{BUCKET}/raw", environ=environment(url)) as service:
            service.accept(1)
            with mute.accept()[0]:
                before = cpu_seconds(service.process.pid)
                assert service.stop() == 0
                used = sum(os.times()[2:4]) - before
    assert used < 1.0


def cpu_seconds(pid: int) -> float:
    """What a child has used so far, and all before it."""
    used = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return sum(os.times()[2:4]) + sum(map(int, used)) / os.sysconf("SC_CLK_TCK")


def test_a_bucket_that_is_missing_holds_everything_and_is_told(tmp_path):
    with s3_server() as url, ingest(tmp_path, to="s3://nowhere/raw", environ=environment(url)) as service:
        service.accept(1)
        until(lambda: service.status()["held"], what="alarm")
        assert "headrace_ingest_held 1.0" in service.admin.get("/metrics").text
        assert "nothing lands" in service.log()
        assert service.accept(2)["ack"] == "disk"
        httpx.put(f"{url}/nowhere").raise_for_status()
        service.until_landed(MENDED)
        assert service.status()["held"] == ""
        assert service.status()["landed"] == 2


def test_what_waits_for_a_store_survives_a_restart_to_another_target(tmp_path, store_port):
    away = environment(f"http://127.0.0.1:{store_port}")
    with ingest(tmp_path, "--drain", "100ms", to=f"s3://{BUCKET}/raw", environ=away) as service:
        service.accept(1, 2, 3)
        until(lambda: service.status()["failed_uploads"].get("transient"), what="failed upload")
        assert service.stop() == 0
    with ingest(tmp_path) as service:
        service.until_landed()
        assert service.stop() == 0
    assert payloads(tmp_path) == [1, 2, 3]


def test_what_was_on_its_way_when_it_was_killed_goes_again_under_the_same_key_with_the_same_bytes(tmp_path):
    with scripted_store() as store:
        store.replies = [(503, "SlowDown")]
        environ = environment(store.url)
        with ingest(tmp_path, to=f"s3://{BUCKET}/raw", environ=environ) as service:
            service.accept("on its way")
            until(lambda: store.puts, what="upload")
            service.process.kill()
            service.process.wait()
        with ingest(tmp_path, to=f"s3://{BUCKET}/raw", environ=environ) as service:
            service.accept("of the next start")
            service.until_landed(MENDED)
            assert service.stop() == 0
    (first_key, first), (key, again), *others = [(path, body) for path, _, body in store.puts]
    assert (key, again) == (first_key, first)
    assert gzip.decompress(first) == b'"on its way"\n'
    assert [gzip.decompress(body) for path, body in others if path != key] == [b'"of the next start"\n']
