"""`headrace serve` as users run it: real processes, real sockets, real signals."""

import os
import signal
import socket
import stat
import threading
from pathlib import Path

import httpx
import pytest
import websockets.sync.client

from tests.processes import free_port, until

from .serving import Serve


def test_each_worker_has_a_port_and_tells_which_one_it_is(headrace_serve):
    serve = headrace_serve("sample:app", "--workers", "2", "--plain")
    seen = [serve.get(number=number).json() for number in (0, 1)]
    assert [each["worker"] for each in seen] == ["0", "1"]
    assert [f"http://{each['address']}" for each in seen] == serve.urls
    assert len({each["pid"] for each in seen}) == 2
    assert serve.stop() == 0


def test_tls_is_the_default_and_verifies(headrace_serve):
    serve = headrace_serve("sample:app")
    assert serve.urls[0].startswith("https://127.0.0.1:")
    seen = serve.get().json()
    assert seen["scheme"] == "https"


def test_unix_sockets_are_for_ourselves_and_go_with_the_process(headrace_serve, tmp_path):
    folder = tmp_path / "run"
    serve = headrace_serve("sample:app", "--uds", str(folder), "--workers", "2")
    assert serve.urls == [f"unix:{folder}/0.sock", f"unix:{folder}/1.sock"]
    with serve.client(1) as client:
        seen = client.get("/", headers={"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}).json()
    assert (seen["client"], seen["scheme"]) == (["203.0.113.9", 0], "https")
    assert stat.S_IMODE((folder / "0.sock").stat().st_mode) == 0o600
    assert serve.stop() == 0
    assert list(folder.iterdir()) == []


def test_consecutive_ports_from_the_first(headrace_serve):
    first = free_port(2)
    serve = headrace_serve("sample:app", "--plain", "--port", str(first), "--workers", "2")
    assert serve.urls == [f"http://127.0.0.1:{first}", f"http://127.0.0.1:{first + 1}"]


def test_a_factory_and_a_wsgi_app(headrace_serve):
    assert headrace_serve("sample:create", "--factory", "--plain").get().status_code == 200
    assert headrace_serve("sample:wsgi").get().text == "https"


def test_a_websocket(headrace_serve):
    serve = headrace_serve("sample:app", "--plain")
    with websockets.sync.client.connect(serve.urls[0].replace("http", "ws"), proxy=None) as client:
        client.send("hi")
        assert client.recv() == "hi"


def test_ping_is_503_until_the_app_is_ready_and_nothing_is_announced(headrace_serve, project: Path):
    (project / "hold-startup").touch()
    port = free_port()
    serve = headrace_serve("sample:app", "--plain", "--port", str(port), ready=False)

    def ping() -> httpx.Response | None:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/ping", trust_env=False)
        except httpx.TransportError:
            return None

    answer = until(ping)
    assert (answer.status_code, answer.text) == (503, "starting\n")
    assert answer.headers["retry-after"] == "1"
    (project / "hold-startup").unlink()
    serve.wait_for_line("urls")
    assert ping().status_code == 200
    with serve.client() as client:
        assert client.head("/ping").status_code == 200


def test_ping_can_be_elsewhere(headrace_serve):
    serve = headrace_serve("sample:app", "--plain", "--ping-path", "/healthy")
    assert serve.get("/healthy").text == "ready\n"
    assert "pid" in serve.get("/ping").json()


def test_a_startup_that_fails_says_why_and_is_tried_again(headrace_serve, project: Path):
    (project / "fail-startup").touch()
    port = free_port()
    serve = headrace_serve("sample:app", "--plain", "--port", str(port), ready=False)
    reasons = set()

    def said() -> bool:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/ping", trust_env=False)
        except httpx.TransportError:
            return False
        reasons.add((answer.status_code, answer.text))
        return (503, "failed: no database\n") in reasons

    until(said)
    serve.wait_log("the app's startup failed: no database; once more in 0")
    assert "Traceback" not in serve.log
    (project / "fail-startup").unlink()
    serve.wait_for_line("urls")


def test_sigterm_finishes_what_is_in_flight_and_shuts_the_app_down(headrace_serve, project: Path):
    serve = headrace_serve("sample:app", "--plain")
    answers = []
    asking = threading.Thread(target=lambda: answers.append(serve.get("/slow?1")))
    asking.start()
    until((project / "slow-began").exists)
    assert serve.stop() == 0
    asking.join()
    assert (answers[0].status_code, answers[0].text) == (200, "slow")
    assert answers[0].headers["connection"] == "close"
    assert (project / "shutdowns").read_text() == "one\n"


def test_ctrl_c_is_the_same(headrace_serve, project: Path):
    serve = headrace_serve("sample:app", "--plain", "--workers", "2")
    os.killpg(serve.popen.pid, signal.SIGINT)
    assert serve.end() == 0
    assert (project / "shutdowns").read_text() == "one\none\n"
    assert "Traceback" not in serve.log


def test_what_takes_longer_than_the_deadline_is_cut(headrace_serve, project: Path):
    serve = headrace_serve("sample:app", "--plain", "--drain", "500ms")
    asking = threading.Thread(target=fails, args=(serve,))
    asking.start()
    until((project / "slow-began").exists)
    assert serve.stop(seconds=10) == 1
    asking.join()


def test_a_second_signal_ends_it_at_once(headrace_serve, project: Path):
    serve = headrace_serve("sample:app", "--plain")
    asking = threading.Thread(target=fails, args=(serve,))
    asking.start()
    until((project / "slow-began").exists)
    serve.popen.send_signal(signal.SIGTERM)
    until(lambda: refused(serve.urls[0]))
    assert serve.stop(seconds=5) == 1
    asking.join()


def fails(serve: Serve) -> None:
    """Asks something long, and gets no answer."""
    with pytest.raises(httpx.TransportError):
        serve.get("/slow?60")


def refused(url: str) -> bool:
    """Whether nobody listens there any more."""
    try:
        httpx.get(f"{url}/ping", trust_env=False)
    except httpx.TransportError as error:
        return isinstance(error, httpx.ConnectError)
    return False


def test_a_killed_worker_is_started_again_at_its_place(headrace_serve):
    serve = headrace_serve("sample:app", "--plain", "--workers", "2")
    before = serve.get(number=1).json()["pid"]
    os.kill(before, signal.SIGKILL)

    def replaced() -> bool:
        try:
            return serve.get(number=1).json()["pid"] != before
        except httpx.TransportError:
            return False

    until(replaced)
    assert "was killed by SIGKILL; starting it again in 0.1 s" in serve.log
    assert serve.stop() == 0


def test_workers_end_when_their_parent_is_killed(headrace_serve, project: Path):
    serve = headrace_serve("sample:app", "--plain", "--workers", "2")
    workers = serve.workers()
    os.kill(serve.popen.pid, signal.SIGKILL)
    serve.popen.wait()
    until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers))
    assert (project / "shutdowns").read_text() == "one\none\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nowhere_to_be_found\n", "No module named 'nowhere_to_be_found'"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("import os\nos._exit(7)\n", "ended with exit code 7 before the app was ready"),
        ("app = 3\n", "can't be called"),
    ],
)
def test_an_app_that_cant_be_served_is_one_line_and_the_end(headrace_serve, project: Path, source, said):
    (project / "broken.py").write_text(source)
    serve = headrace_serve("broken:app", "--workers", "3", ready=False)
    assert serve.end() == 1
    lines = [line for line in serve.log.splitlines() if "error:" in line]
    assert len(lines) == 1
    assert said in lines[0]
    assert "Traceback" not in serve.log


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sample",), "sample:app"),
        (("sample:app", "--workers", "none"), "workers"),
        (("sample:app", "--interface", "cgi"), "interface"),
        (("sample:app", "--balancer", "127.0.0.1:2001"), "https://127.0.0.1:2001"),
        (("sample:app", "--balancer", "https://127.0.0.1:2001", "--ca", "missing.pem"), "missing.pem"),
        (("sample:app", "--ping-path", "ping"), "/ping"),
    ],
)
def test_wrong_usage_is_one_line(headrace_serve, arguments, said):
    serve = headrace_serve(*arguments, ready=False)
    assert serve.end() == 2
    assert said in serve.log
    assert "Traceback" not in serve.log


def test_a_taken_port_is_named_with_how_to_choose_another(headrace_serve):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        serve = headrace_serve("sample:app", "--port", str(port), ready=False)
        assert serve.end() == 1
    assert f"127.0.0.1:{port}: it is taken; choose another with --port" in serve.log


def test_a_change_restarts_the_workers_one_by_one(headrace_serve, project: Path):
    serve = headrace_serve("sample:app", "--plain", "--workers", "2", "--reload")
    before = [serve.get(number=number).json()["pid"] for number in (0, 1)]
    source = (project / "sample.py").read_text()
    (project / "sample.py").write_text(source.replace('"pid": os.getpid()', '"pid": -os.getpid()'))

    def changed(number: int) -> bool:
        try:
            return serve.get(number=number).json()["pid"] < 0
        except httpx.TransportError:
            return False

    until(lambda: changed(0) and changed(1))
    assert not any(Path(f"/proc/{pid}").exists() for pid in before)
    assert (project / "shutdowns").read_text() == "one\none\n"
    assert serve.stop() == 0


def test_a_change_that_breaks_the_app_is_said_and_the_next_one_mends_it(headrace_serve, project: Path):
    serve = headrace_serve("sample:app", "--plain", "--reload")
    source = (project / "sample.py").read_text()
    (project / "sample.py").write_text("def app(:\n")
    serve.wait_log("SyntaxError.*line 1.*waiting for a change")
    (project / "sample.py").write_text(source)

    def mended() -> bool:
        return not refused(serve.urls[0]) and serve.get("/ping").status_code == 200

    until(mended)
