"""`headrace ingest` from a post to an object: what is acknowledged lands once, whatever happens to the process."""

import json
import signal
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from headrace.sinks.encoding import FORMATS
from tests.processes import run, until

from .service_process import ingest, objects, payloads

_core = pytest.importorskip("headrace._core", reason="the compiled core is not installed")


def test_what_is_posted_lands_once(tmp_path):
    with ingest(tmp_path) as service:
        first = service.accept({"n": 1}, {"n": 2})
        assert first == {"accepted": 2, "first": 1, "last": 2, "ack": "disk"}
        assert service.accept({"n": 3})["first"] == 3
        service.until_landed()
        assert service.stop() == 0
    assert payloads(tmp_path) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_what_is_posted_again_with_its_key_lands_once(tmp_path):
    key = {"Idempotency-Key": "of-this-collection"}
    with ingest(tmp_path) as service:
        answer = service.post({"n": 1}, headers=key)
        assert service.post({"n": 1}, headers=key).json() == answer.json()
        service.until_landed()
        assert service.stop() == 0
    with ingest(tmp_path) as service:
        assert service.post({"n": 1}, headers=key).json() == answer.json()
        assert service.stop() == 0
    assert payloads(tmp_path) == [{"n": 1}]


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_it_is_served_over_tls_in_both_protocols(tmp_path, http2):
    with ingest(tmp_path, plain=False) as service:
        trust = ssl.create_default_context(cafile=str(tmp_path / "state" / "certs" / "ca.pem"))
        with httpx.Client(base_url=service.url, verify=trust, http2=http2, trust_env=False) as client:
            answer = client.post("/", json={"version": "1", "token": "", "data": [1]})
        assert answer.json()["accepted"] == 1
        assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        service.until_landed()
    assert payloads(tmp_path) == [1]


def test_a_stop_lands_what_was_accepted_without_waiting_for_batches_to_grow(tmp_path):
    with ingest(tmp_path, "--batch-age", "1h") as service:
        for number in range(100):
            service.accept(number)
        assert objects(tmp_path) == {}
        assert service.stop(signal.SIGINT) == 0
    assert payloads(tmp_path) == list(range(100))


def test_what_a_kill_left_lands_after_the_next_start(tmp_path):
    with ingest(tmp_path, "--batch-age", "1h") as service:
        for number in range(10):
            service.accept(number)
        service.process.kill()
        service.process.wait()
    with ingest(tmp_path) as service:
        service.until_landed()
        assert service.accept(10)["first"] == 11
        assert service.stop() == 0
    assert payloads(tmp_path) == list(range(11))


def test_kills_at_any_time_lose_nothing_and_land_nothing_twice(tmp_path):
    sent = 0
    for _ in range(6):
        with ingest(tmp_path, "--batch-age", "1ms") as service:
            for _ in range(15):
                service.accept(sent)
                sent += 1
            service.process.kill()
            service.process.wait()
    with ingest(tmp_path) as service:
        service.until_landed()
        assert service.stop() == 0
    assert payloads(tmp_path) == list(range(sent))


def test_streams_land_in_folders_of_their_own(tmp_path):
    with ingest(tmp_path, "--paths", "/", "--paths", "/orders", "--paths", "/v1/in=orders") as service:
        service.accept("a")
        service.accept("b", path="/orders")
        service.accept("c", path="/v1/in")
        assert service.post("d", path="/elsewhere").status_code == 404
        service.until_landed()
        assert service.stop() == 0
    assert payloads(tmp_path, "orders") == ["b", "c"]
    assert sorted(payloads(tmp_path)) == ["a", "b", "c"]


def test_a_stream_that_is_taken_away_lands_under_its_name(tmp_path):
    with ingest(tmp_path, "--paths", "/old", "--paths", "/new", "--batch-age", "1h") as service:
        service.accept("was here", path="/old")
        service.process.kill()
        service.process.wait()
    with ingest(tmp_path, "--paths", "/another", "--paths", "/new") as service:
        service.accept("is here", path="/another")
        service.until_landed()
        assert service.stop() == 0
    assert payloads(tmp_path, "old") == ["was here"]
    assert payloads(tmp_path, "another") == ["is here"]


def test_tokens_are_asked_for_where_there_are_some(tmp_path):
    with ingest(tmp_path, "--tokens", "one", "--tokens", "two") as service:
        assert service.post(1).status_code == 401
        assert service.post(1, token="two").status_code == 200


def test_everything_can_be_said_in_the_environment(tmp_path):
    environ = {
        "HEADRACE_INGEST_TO": str(tmp_path / "landed"),
        "HEADRACE_INGEST_BATCH_AGE": "50ms",
        "HEADRACE_INGEST_NODE": "here",
        "HEADRACE_INGEST_PATHS": "/orders",
        "MAX_WORKERS": "7",
        "MAX_QUEUE": "1000",
        "MAX_LENGTH": "100",
    }
    with ingest(tmp_path, environ=environ) as service:
        assert (service.status()["workers"], service.status()["queue_limit"]) == (7, 1000)
        service.accept("x", path="/orders")
        assert service.post("x" * 100, path="/orders").status_code == 413
        service.until_landed()
    assert [Path(key).name.split("-")[0] for key in objects(tmp_path, "orders")] == ["here"]


def test_a_small_queue_lands_before_its_batches_are_old(tmp_path):
    with ingest(tmp_path, "--batch-age", "1h", "--queue", "10") as service:
        for number in range(40):
            until(lambda number=number: service.post(number).status_code == 200, what="room in the queue")
        assert service.status()["landed"] >= 30
        assert service.stop() == 0
    assert payloads(tmp_path) == list(range(40))


def test_payloads_land_before_they_are_acknowledged_where_that_is_asked_for(tmp_path):
    with ingest(tmp_path, "--ack", "object") as service:
        assert service.accept("safe")["ack"] == "object"
        assert payloads(tmp_path) == ["safe"]


@pytest.mark.parametrize("plain", [True, False], ids=["http1", "http2"])
def test_a_stop_amid_posts_keeps_every_promise(tmp_path, plain):
    with ingest(tmp_path, "--batch-age", "1h", plain=plain) as service, ThreadPoolExecutor() as threads:
        posting = [threads.submit(post_until_refused, service, name) for name in range(4)]
        until(lambda: service.status()["accepted"] >= 100, what="accepted payloads")
        assert service.stop() == 0
        accepted = [payload for client in posting for payload in client.result()]
    found = [tuple(payload) for payload in payloads(tmp_path)]
    assert len(set(found)) == len(found)
    # An answer may be lost on its way when the connection ends, but no more than one for each client.
    assert set(accepted) <= set(found)
    assert len(found) - len(accepted) <= len(posting)


def post_until_refused(service, name: int) -> list[tuple[int, int]]:
    """What was accepted, until the service stops: it says so, or isn't there any more."""
    accepted = []
    with service.client(service.url, http2=True) as client:
        for number in range(100_000):
            try:
                answer = client.post("/", json={"version": "1", "token": "", "data": [[name, number]]})
            except httpx.TransportError:
                break
            if answer.status_code != 200:
                assert (answer.status_code, answer.json()["error"]) == (503, "stopping")
                assert int(answer.headers["Retry-After"]) >= 1
                break
            accepted.append((name, number))
    return accepted


def test_clients_that_wait_for_the_object_are_answered_at_a_stop(tmp_path):
    with ingest(tmp_path, "--ack", "object", "--batch-age", "1h") as service, ThreadPoolExecutor() as threads:
        waiting = threads.submit(service.accept, "in flight")
        until(lambda: service.status()["queue"] == 1, what="payload that waits")
        assert service.stop() == 0
        assert waiting.result()["ack"] == "object"
    assert payloads(tmp_path) == ["in flight"]


def test_a_disk_that_is_full_is_told_before_it_is(tmp_path):
    with ingest(tmp_path, environ={"HEADRACE_INGEST_RESERVE": "4000 TiB"}) as service:
        refused = service.post(1)
        assert (refused.status_code, refused.json()["error"]) == (507, "disk_full")
        assert service.stop() == 0
    assert payloads(tmp_path) == []


@pytest.mark.parametrize("form", ["ndjson.zst", "parquet"])
def test_other_formats_land(tmp_path, form):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    with ingest(tmp_path, "--format", form) as service:
        service.accept({"n": 1}, {"n": 2})
        service.until_landed()
    ((key, data),) = objects(tmp_path).items()
    assert key.endswith(f".{form}")
    assert FORMATS[form].decode(data) == b'{"n":1}\n{"n":2}\n'


def test_a_landing_that_dies_ends_the_service_and_says_so(tmp_path):
    folder = tmp_path / "state" / "ingest"
    folder.mkdir(mode=0o700, parents=True)
    folder.parent.chmod(0o700)
    journal = _core.Journal(folder / "journal", reserve_bytes=1)
    journal.append([b"1"])
    journal.seal(0, 1, 1, b"not a note of the landing's")
    journal.close()
    with ingest(tmp_path) as service:
        assert service.process.wait(60) == 1
        last = service.log().strip().splitlines()[-1]
        assert last.startswith("headrace: error: landing ended: ")
        assert "lands after the next start" in last


def test_each_payload_can_be_an_object(tmp_path):
    with ingest(tmp_path, "--objects", "each") as service:
        service.accept({"a": 1}, {"b": 2})
        service.until_landed()
        assert service.stop() == 0
        assert service.log().count("objects = each") == 1
    assert sorted(objects(tmp_path).values()) == [b'{"a":1}', b'{"b":2}']


def test_a_function_gets_the_payloads(tmp_path):
    (tmp_path / "shop.py").write_text(
        "def store(payloads):\n"
        "    with open('seen', 'a') as file:\n"
        "        file.writelines(f'{p.id} {p.stream} {p.body.decode()}\\n' for p in payloads)\n"
    )
    with ingest(tmp_path, "--node", "here", to="shop:store") as service:
        service.accept(1, 2)
        service.until_landed()
        assert service.stop() == 0
    assert (tmp_path / "seen").read_text() == "here-1  1\nhere-2  2\n"


def test_a_function_that_hangs_does_not_hold_the_stop(tmp_path):
    (tmp_path / "shop.py").write_text("import time\ndef store(payloads):\n    time.sleep(600)\n")
    with ingest(tmp_path, "--drain", "200ms", to="shop:store") as service:
        service.accept("waits")
        until(lambda: service.status()["workers_busy"], what="busy worker")
        assert service.stop() == 0
        assert "land after the next start: 1" in service.log()
    with ingest(tmp_path) as service:
        service.until_landed()
        assert service.stop() == 0
    assert payloads(tmp_path) == ["waits"]


def test_a_second_signal_ends_it_at_once(tmp_path):
    (tmp_path / "shop.py").write_text("import time\ndef store(payloads):\n    time.sleep(600)\n")
    with ingest(tmp_path, "--drain", "1h", to="shop:store") as service:
        service.accept("waits")
        until(lambda: service.status()["workers_busy"], what="busy worker")
        service.process.send_signal(signal.SIGTERM)
        until(lambda: "a second signal stops at once" in service.log(), what="word of the stop")
        assert service.stop() == 0


def test_two_services_cannot_have_one_journal(tmp_path):
    with ingest(tmp_path) as service:
        free = ("--address", "127.0.0.1:0", "--admin", "127.0.0.1:0")
        ended = run("ingest", "--plain", *free, "--state", "state", folder=tmp_path)
        assert ended.returncode == 1
        assert len(ended.stderr.strip().splitlines()) == 1
        assert "journal" in ended.stderr
        assert service.accept(1)["accepted"] == 1
        assert json.loads((tmp_path / "state" / "ingest" / "streams.json").read_text()) == {"": 0}
