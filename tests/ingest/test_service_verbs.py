"""The verbs for a running service, and its admin port."""

import json
import os
import signal
import subprocess

import httpx
import pytest

from tests.processes import HEADRACE, environment, free_port, run, until
from tests.sinks.store_server import environment as store_environment

from .service_process import ingest, objects

pytest.importorskip("headrace._core", reason="the compiled core is not installed")

PICKY = (
    "import pathlib\n"
    "def store(payloads):\n"
    "    for payload in payloads:\n"
    "        if payload.json() == 'bad' and not pathlib.Path('mended').exists():\n"
    "            raise ValueError('it is bad')\n"
    "        with open('seen', 'a') as file:\n"
    "            file.write(f'{payload.id}\\n')\n"
)


def verb(service, *arguments):
    """A verb of the service's, which must succeed; what it printed."""
    where = () if arguments[0] in ("where", "query") else ("--admin", service.admin_url.removeprefix("https://"))
    done = run("ingest", *arguments, *where, "--state", "state", folder=service.folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_status_tells_what_waits_and_what_was_refused(tmp_path):
    nowhere = store_environment(f"http://127.0.0.1:{free_port()}")
    with ingest(tmp_path, "--queue", "3", to="s3://bucket", environ=nowhere) as service:
        service.accept(1, 2, 3)
        assert service.post(4).status_code == 503
        assert service.public.post("/", content=b"[").status_code in (400, 503)
        text = verb(service, "status")
        assert "3 of 3, the oldest" in text
        assert "queue_full" in text
        status = json.loads(verb(service, "status", "--json"))
        assert status["queue"] == 3
        assert status["oldest_seconds"] > 0
        assert status["refused"]["queue_full"] >= 1


def test_on_a_terminal_the_status_lives_on(tmp_path):
    with ingest(tmp_path) as service:
        service.accept(1)
        own, terminal = os.openpty()
        arguments = ("ingest", "status", "--state", "state", "--admin", service.admin_url.removeprefix("https://"))
        # Where the tests run in the background, children would be born deaf to Ctrl-C.
        deaf = signal.signal(signal.SIGINT, signal.SIG_DFL)
        process = subprocess.Popen(
            [*HEADRACE, *arguments], stdin=terminal, stdout=terminal, cwd=tmp_path, env=environment()
        )
        signal.signal(signal.SIGINT, deaf)
        os.close(terminal)
        try:
            shown = ""
            while shown.count("/s landed") < 2:
                shown += os.read(own, 4096).decode()
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
        finally:
            process.kill()
            process.wait()
            os.close(own)


def test_workers_are_more_and_fewer_at_run_time(tmp_path):
    with ingest(tmp_path, "--workers", "2") as service:
        assert service.status()["workers"] == 2
        assert verb(service, "workers", "9") == "9 workers\n"
        assert service.status()["workers"] == 9
        assert json.loads(verb(service, "workers", "1", "--json")) == {"workers": 1}
        service.accept("still lands")
        service.until_landed()


@pytest.mark.parametrize("body", [b"", b"[]", b'{"workers": 0}', b'{"workers": true}', b'{"workers": 257}', b"\xff"])
def test_other_numbers_of_workers_are_refused(tmp_path, body):
    with ingest(tmp_path) as service:
        answer = service.admin.put("/workers", content=body)
        assert answer.status_code == 400
        assert "N from 1 to 256" in answer.json()["message"]


def test_a_payload_is_found_by_its_number(tmp_path):
    with ingest(tmp_path) as service:
        service.accept("a", "b")
        service.until_landed()
        (key,) = objects(tmp_path)
        assert verb(service, "where", "2").strip().endswith(key)
        (landed,) = json.loads(verb(service, "where", "1", "--json"))
        assert (landed["first"], landed["last"], landed["count"]) == (1, 2, 2)
        missing = run("ingest", "where", "3", "--state", "state", folder=tmp_path)
        assert missing.returncode == 1
        assert "payload 3 is in no object yet" in missing.stderr
        service.stop()
        assert verb(service, "where", "2").strip().endswith(key)


def test_what_landed_is_asked_by_sql(tmp_path):
    pytest.importorskip("duckdb")
    with ingest(tmp_path) as service:
        service.accept({"host": "a", "load": 1}, {"host": "b", "load": 2}, {"host": "a", "load": 3})
        service.until_landed()
        sql = "select host, sum(load) as load from payloads group by 1 order by 1"
        assert json.loads(verb(service, "query", sql, "--json")) == [{"host": "a", "load": 4}, {"host": "b", "load": 2}]
        assert verb(service, "query", sql).splitlines()[1].split() == ["a", "4"]
        wrong = run("ingest", "query", "selct 1", folder=tmp_path)
        assert (wrong.returncode, len(wrong.stderr.strip().splitlines())) == (2, 1)


def test_dead_letters_go_back_when_the_sink_is_mended(tmp_path):
    (tmp_path / "picky.py").write_text(PICKY)
    with ingest(tmp_path, "--node", "n", to="picky:store") as service:
        service.accept("good")
        service.until_landed()
        service.accept("bad")
        until(lambda: service.status()["dead_letters"] == 1, what="dead letter")
        admin = service.admin_url.removeprefix("https://")
        refused = run("ingest", "replay", "--state", "state", "--admin", admin, folder=tmp_path)
        assert refused.returncode == 1
        assert "refused again: 1" in refused.stderr
        (tmp_path / "mended").touch()
        assert verb(service, "replay") == "landed: 1\n"
        assert service.status()["dead_letters"] == 0
    assert (tmp_path / "seen").read_text().split() == ["n-1", "n-2"]


def test_readiness_health_and_metrics_are_told(tmp_path):
    with ingest(tmp_path) as service:
        assert service.admin.get("/readyz").json() == {"status": "ready"}
        assert service.admin.get("/healthz").json() == {"status": "ok"}
        service.accept(1, 2)
        service.until_landed()
        text = service.admin.get("/metrics").text
        assert "headrace_ingest_journal_appended_total 2.0" in text
        assert "headrace_ingest_landed_payloads_total 2.0" in text
        assert 'headrace_ingest_completed_batches_total{reason="age"}' in text


def test_a_wrong_token_is_told_in_one_line(tmp_path):
    with ingest(tmp_path) as service:
        where = ("--state", "state", "--admin", service.admin_url.removeprefix("https://"))
        done = run("ingest", "status", *where, folder=tmp_path, env={"HEADRACE_BALANCER_TOKEN": "wrong"})
        assert done.returncode == 1
        assert len(done.stderr.strip().splitlines()) == 1
        assert "the token is not this service's" in done.stderr


def test_strangers_learn_nothing_at_the_admin_port(tmp_path):
    with ingest(tmp_path) as service:
        service.admin.headers["Authorization"] = "Bearer wrong"
        for call in (service.admin.get("/status"), service.admin.get("/metrics"), service.admin.post("/replay")):
            assert call.status_code == 401
            assert "headrace token" in call.json()["message"]
        assert service.admin.get("/readyz").status_code == 200
        assert httpx.get(f"{service.url}/status").status_code == 404
