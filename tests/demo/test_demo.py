import json
import os
import re
import signal

import pytest

from tests.processes import until

from .running import FREE_PORTS

STEPS = 12


def test_a_scripted_visit_finds_all_in_order_and_leaves_nothing(demo):
    running = demo("--check")
    assert running.wait() == 0, running.lines()
    steps = running.out.read_text().splitlines()
    assert [line.split()[0] for line in steps] == ["ok"] * STEPS
    assert "HTTP/2" in steps[0]
    assert not running.family()


def test_more_app_servers_all_answer(demo):
    running = demo("--check", "--workers", "3")
    assert running.wait() == 0, running.lines()
    servers = next(line for line in running.out.read_text().splitlines() if "in turn" in line)
    assert len(re.findall(r"127\.0\.0\.1:\d+", servers)) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_of_it_in_order(demo, number):
    running = demo()
    with running.client() as client:
        assert client.get("/").status_code == 200
    assert running.stop(number) == 0, running.lines()
    assert not running.family()
    news = running.err.read_text()
    assert news.index("is gone") < news.rindex("stopping when the requests under way are done")
    assert "Traceback" not in running.lines()


def test_a_signal_during_the_start_ends_it_too(demo):
    running = demo()
    until(lambda: len(running.family()) > 1, 30, "first part")
    running.stop()
    running.wait_until_gone()
    assert "Traceback" not in running.lines()


def test_what_it_started_ends_when_it_is_killed(demo):
    running = demo()
    assert running.url
    running.process.kill()
    running.wait_until_gone()


def test_a_part_that_dies_is_told_and_ends_it(demo):
    running = demo()
    assert running.url
    os.kill(running.part("balance"), signal.SIGKILL)
    assert running.wait() == 1
    assert "the demo's balancer ended with -9" in running.lines()
    assert not running.family()


def test_a_killed_app_server_is_not_noticed_and_comes_back(demo):
    running = demo()
    with running.client() as client:
        (victim,) = running.family(HEADRACE_WORKER="1")
        os.kill(victim, signal.SIGKILL)
        for _ in range(50):
            assert client.get("/").status_code == 200
        until(lambda: running.family(HEADRACE_WORKER="1") not in ([], [victim]), 30, "second app server")
        until(lambda: 'data-worker="1"' in client.get("/").text, 30, "page of the second app server")


def test_a_data_service_that_hangs_is_a_clear_page_where_the_cache_has_nothing(demo):
    running = demo()
    with running.client() as client:
        until(lambda: 'data-source="service"' in client.get("/").text, 30, "list from the cache")
        service = running.part("serve", "headrace.demo.data:app")
        stopped = [pid for pid in running.family() if os.getsid(pid) == os.getsid(service)]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            page, kept = client.get("/?page=2"), client.get("/")
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        assert page.status_code == 503
        assert "out of reach" in page.text
        assert kept.status_code == 200
        assert client.get("/?page=2").status_code == 200


@pytest.mark.slow
def test_what_was_written_is_there_at_the_next_start_and_other_posts_beside_it(demo, tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "first.md").write_text("---\ntitle: My first\nauthor: Ada\n---\nHello")
    for _ in range(2):
        running = demo("--posts", "notes")
        with running.client() as client:
            page = client.get("/").text
        assert page.count("<article") == 1
        assert "My first" in page
        running.stop()
    with demo().client() as client:
        assert "My first" not in client.get("/").text


def test_a_second_demo_on_taken_ports_says_which_and_how_to_choose_others(demo):
    first = demo()
    public = first.url.rsplit(":", 1)[1]
    second = demo(ports=(*FREE_PORTS, "--port", public))
    assert second.wait() == 1
    (line,) = second.err.read_text().splitlines()
    assert line.startswith(f"headrace: error: port {public} is taken; choose others: headrace demo --port ")
    third = demo(ports=line.partition("headrace demo ")[2].split())
    assert third.url


def test_two_demos_run_beside_each_other_on_one_state_folder(demo):
    first, second = demo(), demo()
    assert first.url != second.url
    with first.client() as one, second.client() as other:
        assert one.get("/").status_code == 200
        assert other.get("/").status_code == 200
        first.stop()
        assert other.get("/").status_code == 200


def test_json_tells_programs_what_runs_where(demo):
    running = demo("--json")
    ready = json.loads(running.wait_for('"ready"'))
    assert ready["ready"] == "demo"
    assert [part["name"] for part in ready["parts"]] == [
        "data service", "balancer", "its admin port", "app server 0", "app server 1", "cache", "central log",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--posts", "nowhere"], 2, "there is no folder"),
        (["--workers", "0"], 2, "--workers"),
        (["--port", "70000"], 2, "--port"),
        (["--host", "192.0.2.77"], 1, "cannot listen on 192.0.2.77"),
    ],
)
def test_a_mistake_is_one_clear_line(demo, arguments, code, says):
    running = demo(*arguments)
    assert running.wait() == code
    assert says in running.err.read_text()
    assert running.err.read_text().count("\n") == 1


def test_the_last_lines_of_the_central_log_are_shown_at_the_end(demo):
    running = demo()
    with running.client() as client:
        assert client.get("/nowhere").status_code == 404
    assert running.stop() == 0
    shown = running.err.read_text().partition("the last lines of ")[2].splitlines()[1:]
    assert 0 < len(shown) <= 10
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d;[A-Z]+;[^;]+;", line) for line in shown)
