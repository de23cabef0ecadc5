"""Services that are told where the central log is."""

import re

import httpx
import pytest

from tests import webserver
from tests.processes import HEADRACE, Process, until

APP = """
import logging
logging.getLogger("shop").warning("the app's own")

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    logging.getLogger("shop").warning("asked for %s", scope["path"])
    if scope["path"] == "/fail":
        raise RuntimeError("odd")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
"""


@pytest.fixture
def start(tmp_path):
    running = []

    def run(name, *arguments):
        command = [*HEADRACE, *arguments, "--state", str(tmp_path / "state")]
        running.append(Process(command, folder=tmp_path, name=name, cwd=tmp_path))
        return running[-1]

    yield run
    for each in running:
        each.kill()


def find(collector, **wanted):
    """The first entry with these values, waited for."""

    def found():
        entries = [entry for entry in collector.entries if all(entry.get(key) == wanted[key] for key in wanted)]
        return entries[0] if entries else None

    return until(found, what=f"entry with {wanted}")


@pytest.fixture
def balancer(collector, start):
    return balance(collector, start)


def balance(collector, start, *flags):
    process = start(
        *("balancer", "balance", "--address", "127.0.0.1:0", "--plain", "--admin", "127.0.0.1:0"),
        *("--logs", collector.url, "--access-log", *flags),
    )
    process.url = process.wait_for_line("balancer ready").split()[-1]
    process.admin = re.search(r"admin port: (\S+)", process.err.read_text())[1]
    return process


def test_registrations_drains_and_requests_are_told(collector, start, balancer, tmp_path):
    (tmp_path / "shop.py").write_text(APP)
    serve = ("serve", "shop:app", "--plain", "--port", "0", "--balancer", balancer.admin, "--logs", collector.url)
    app = start("app", *serve)
    address = app.wait_for_line("app ready").split()[-1].removeprefix("http://")
    registered = f"Registering application server with address: {address}"
    find(collector, Source="load balancer", Level="INFO", Message=registered)
    find(
        collector,
        Source=f"app server {address}",
        Message=f"Registering application server with address: http://{address}",
    )
    find(collector, Source=f"app server {address}", Level="WARNING", Message="the app's own")

    answer = httpx.get(f"{balancer.url}/page?number=7")
    assert answer.status_code == 200
    line = find(collector, Source="load balancer", Message="GET /page?number=7: 200")
    assert (line["Level"], line["status"], line["client"], len(line["request_id"])) == ("INFO", 200, "127.0.0.1", 32)
    assert 0 <= line["seconds"] < 60

    assert app.stop() == 0
    drained = [entry["Message"] for entry in collector.entries if " is draining: " in entry["Message"]]
    assert drained


def test_what_an_app_logs_for_a_request_has_the_requests_id(collector, start, balancer, tmp_path):
    (tmp_path / "shop.py").write_text(APP)
    serve = ("serve", "shop:app", "--plain", "--port", "0", "--balancer", balancer.admin, "--logs", collector.url)
    start("app", *serve).wait_for_line("app ready")
    until(lambda: httpx.get(f"{balancer.url}/fail").status_code == 500 or None, what="an app server")
    told = find(collector, Source="load balancer", Message="GET /fail: 500")["request_id"]
    assert find(collector, Message="asked for /fail")["request_id"] == told
    failed = find(collector, Message="the app failed on GET /fail")
    assert failed["request_id"] == told
    assert failed["exception"].endswith("RuntimeError: odd")


def test_requests_tell_what_the_edge_cache_did(collector, start, tmp_path):
    balancer = balance(collector, start, "--cache")
    (tmp_path / "shop.py").write_text(APP.replace("[]", '[(b"cache-control", b"max-age=600")]'))
    app = start("app", "serve", "shop:app", "--plain", "--port", "0", "--balancer", balancer.admin)
    app.wait_for_line("app ready")
    find(collector, Source="load balancer", Level="INFO")
    until(lambda: httpx.get(f"{balancer.url}/ready").status_code == 200 or None, what="an app server")
    for result in ("miss", "hit"):
        assert httpx.get(f"{balancer.url}/page").status_code == 200
        find(collector, Message="GET /page: 200", cache=result)


def test_a_failed_request_is_told_with_its_reason(collector, start, balancer):
    assert httpx.get(f"{balancer.url}/nobody").status_code == 503
    line = find(collector, Message="GET /nobody: 503, No app servers found")
    assert (line["Level"], line["Source"], line["status"]) == ("ERROR", "load balancer", 503)
    assert len(line["request_id"]) == 32


class Rude(webserver.Handler):
    """An app server that is ready, and answers nothing."""

    def respond(self):
        if self.path == "/ping":
            self.answer(200)
        self.close_connection = True


def test_a_server_that_fails_is_told_beside_the_answer(collector, start):
    with webserver.serving(Rude) as server:
        process = start(
            *("balancer", "balance", "--address", "127.0.0.1:0", "--plain", "--admin", "127.0.0.1:0"),
            *("--logs", collector.url, "--servers", server),
        )
        url = process.wait_for_line("balancer ready").split()[-1]
        until(lambda: httpx.get(f"{url}/page").status_code == 502, what="attempt at the server")
        attempt = find(collector, Level="WARNING", server=server.removeprefix("http://"))
    assert attempt["Message"].startswith(f"GET /page: {attempt['server']}: ")
    answer = find(collector, Level="ERROR", request_id=attempt["request_id"])
    assert answer["Message"].startswith("GET /page: 502, The app server ")


def test_a_url_that_is_none_stops_the_start(start):
    process = start("balancer", "balance", "--logs", "nowhere", "--admin", "127.0.0.1:0", "--address", "127.0.0.1:0")
    assert process.end() == 2
    assert "nowhere is not a URL of a log collector" in process.err.read_text()
