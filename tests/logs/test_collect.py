"""`headrace logs collect` from a post to a line: each entry once, in order, whatever happens to process and file."""

import json
import shutil
import signal
import socket
import subprocess
import time
from datetime import datetime, timezone

import pytest

from tests.processes import HEADRACE, environment, until

from .collector_process import collector, entry, late, lines, settled

pytest.importorskip("headrace._core", reason="the compiled core is not installed")


def test_an_entry_is_a_line_two_seconds_after_its_time(tmp_path):
    with collector(tmp_path, plain=False) as service:
        began = time.time()
        service.accept(entry("hello", level="warn", source="blog"))
        assert lines(tmp_path) == [] or time.time() >= began + 2.0
        (line,) = service.until_written(1)
        assert time.time() >= began + 2.0
        stamp, rest = line[:19], line[19:]
        assert rest == ";WARNING;blog;hello"
        told = datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
        assert int(began) <= told <= time.time()
        assert service.stop() == 0


def test_lines_stand_in_the_order_of_their_time_whoever_posts_them(tmp_path):
    with collector(tmp_path) as service:
        now = time.time()
        for delay in (0.3, 0.1, 0.0003, 0.2, 0.0001, 0.0002):
            service.accept({"Timestamp": now + delay, "Message": f"{delay}"})
        written = service.until_written(6)
    assert [line.rpartition(";")[2] for line in written] == ["0.0001", "0.0002", "0.0003", "0.1", "0.2", "0.3"]


def test_an_entry_that_comes_late_is_written_at_once_and_marked(tmp_path):
    with collector(tmp_path) as service:
        service.accept(entry("now"))
        service.until_written(1)
        service.accept(entry("late", ago=60.0))
        written = service.until_written(2)
        assert written[1].endswith(";late")
        marked = until(lambda: late(tmp_path), what="mark")
        offset, _, line = marked[0].partition(";")
        assert (int(offset), line) == (len(written[0]) + 1, written[1])
        assert until(lambda: service.status()["late"]) == 1


def test_no_message_makes_two_lines_or_another_entrys(tmp_path):
    messages = [
        "a\n2026-01-01 00:00:00;PANIC;root;forged",
        "b\r\n;c",
        "\\n;\\",
        "\u2028 \0 \x1b[31m",
        "\U0001f600 f\u00fcnf",
    ]
    with collector(tmp_path) as service:
        for message in messages:
            service.accept(entry(message, source="a;b\n"))
        written = service.until_written(len(messages))
        found = service.public.get("/search", params={"limit": 100}).raise_for_status().json()["entries"]
    assert len(written) == len(messages)
    assert all(line.isprintable() for line in written)
    assert [(each["source"], each["message"]) for each in found] == [("a;b\n", message) for message in messages]


def test_what_was_acknowledged_is_written_once_after_a_kill(tmp_path):
    count, kills = 40, 3
    sent = []
    for life in range(kills):
        with collector(tmp_path) as service:
            for number in range(count):
                sent.append(f"{life}-{number}")
                service.accept(entry(sent[-1]), **{"Idempotency-Key": sent[-1]})
            if life == 1:
                service.until_written(count + 1)
            assert service.stop(signal.SIGKILL) != 0
    with collector(tmp_path) as service:
        written = service.until_written(len(sent))
        assert service.stop() == 0
    assert sorted(line.rpartition(";")[2] for line in settled(tmp_path)) == sorted(sent)
    assert len(written) == len(sent)
    in_order = [line for line in lines(tmp_path) if line not in {mark.partition(";")[2] for mark in late(tmp_path)}]
    assert in_order == sorted(in_order, key=lambda line: line[:19])


def test_a_stop_writes_what_waits(tmp_path):
    with collector(tmp_path) as service:
        service.accept(entry("last words"))
        assert service.stop() == 0
    assert [line.rpartition(";")[2] for line in settled(tmp_path)] == ["last words"]


def test_a_folder_that_is_removed_is_an_alarm_and_made_again(tmp_path):
    with collector(tmp_path) as service:
        service.accept(entry("before"))
        service.until_written(1)
        shutil.rmtree(tmp_path / "log")
        service.accept(entry("after"))
        until(lambda: [line for line in lines(tmp_path) if line.endswith(";after")], what="line in a folder made again")


def test_a_file_that_cannot_be_written_is_an_alarm_until_it_can(tmp_path):
    (tmp_path / "log").write_text("a file where the folder should be")
    with collector(tmp_path) as service:
        service.accept(entry("waits"))
        until(lambda: service.admin.get("/readyz").status_code == 503, what="alarm")
        refusal = service.admin.get("/readyz").json()
        assert "the log is not being written" in refusal["message"]
        assert service.status()["wrong"]
        assert "headrace_logs_file_good 0.0" in service.admin.get("/metrics").text
        until(lambda: "the log is not being written" in service.log(), what="alarm in the log")
        (tmp_path / "log").unlink()
        assert service.until_written(1)[0].endswith(";waits")
        until(lambda: service.admin.get("/readyz").status_code == 200, what="end of the alarm")
        until(lambda: "no longer so" in service.log(), what="end of the alarm in the log")
        assert service.log().count("the log is not being written") == 2


def test_status_and_metrics_tell_what_happened(tmp_path):
    with collector(tmp_path) as service:
        service.accept(entry("one"), entry("two"))
        service.public.post("/", content="nonsense")
        service.until_written(2)
        status = until(lambda: told if (told := service.status())["written"] == 2 else None, what="status")
        assert (status["accepted"], status["late"], status["wrong"]) == (2, 0, [])
        assert status["refused"] == {"bad_request": 1}
        text = service.admin.get("/metrics").text
        assert "headrace_logs_file_lines_total 2.0" in text
        assert "headrace_logs_journal_appended_total 2.0" in text
        assert service.admin.get("/healthz").json() == {"status": "ok"}


def test_both_ports_ask_for_the_token(tmp_path):
    with collector(tmp_path) as service:
        for client, path in ((service.public, "/search"), (service.admin, "/status")):
            answer = client.get(path, headers={"Authorization": "Bearer another"})
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_an_open_collector_asks_programs_no_token_and_refuses_web_pages(tmp_path):
    with collector(tmp_path, "--open", "--address", "127.0.0.1:0") as service:
        assert service.public.post("/", json=entry("x"), headers={"Authorization": ""}).status_code == 200
        for mark in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
            assert service.public.post("/", json=entry("x"), headers=mark).status_code == 403


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        (["--open", "--address", "0.0.0.0:0"], 2, "open cannot go with the address 0.0.0.0:0"),
        (["--line", "{message}"], 2, "the log cannot be written as the settings say"),
        (["--window", "soon"], 2, "window"),
        (["--address", "TAKEN"], 1, "TAKEN"),
        (["--admin", "TAKEN"], 1, "cannot listen on the admin address TAKEN"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(tmp_path, flags, code, told):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        given = [flag.replace("TAKEN", taken) for flag in flags]
        free = [flag for name in ("--address", "--admin") if name not in given for flag in (name, "127.0.0.1:0")]
        ended = subprocess.run(
            [*HEADRACE, "logs", "collect", "--plain", "--state", str(tmp_path / "state"), *free, *given],
            cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode == code
    assert told.replace("TAKEN", taken) in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_two_collectors_do_not_share_a_journal(tmp_path):
    with collector(tmp_path):
        ended = subprocess.run(
            [*HEADRACE, "logs", "collect", "--plain", "--state", str(tmp_path / "state"),
             "--address", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
            cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr


def test_other_clients_entries_stand_in_the_same_file(tmp_path):
    now = time.time_ns()
    push = {"streams": [{"stream": {"app": "shop", "level": "error"}, "values": [[str(now), "from loki", {"a": "1"}]]}]}
    record = {"timeUnixNano": str(now + 1), "severityNumber": 9, "body": {"stringValue": "from otlp"}}
    export = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    with collector(tmp_path) as service:
        assert service.public.post("/loki/api/v1/push", json=push).status_code == 204
        assert service.public.post("/v1/logs", json=export).json() == {}
        first, second = service.until_written(2)
    assert first.endswith(';ERROR;shop;from loki;{"a":"1"}')
    assert second.endswith(";INFO;;from otlp")


def test_lines_can_be_json(tmp_path):
    with collector(tmp_path, "--line", "json") as service:
        service.accept(entry("hello", source="blog", user=7))
        (line,) = service.until_written(1)
    read = json.loads(line)
    assert (read["level"], read["source"], read["message"], read["user"]) == ("INFO", "blog", "hello", 7)


def test_a_second_signal_does_not_wait_for_the_window_and_nothing_is_lost(tmp_path):
    with collector(tmp_path, "--window", "10m", "--drain", "10m") as service:
        service.accept(entry("waits"))
        service.process.send_signal(signal.SIGTERM)
        until(lambda: "stopping when" in service.log(), what="graceful stop")
        until(lambda: refuses(service.url), what="closed port")
        assert service.process.poll() is None
        assert service.stop() == 0
        assert "the next start: 1" in service.log()
    assert settled(tmp_path) == []
    with collector(tmp_path, "--window", "0.1s") as service:
        (line,) = service.until_written(1)
        assert line.endswith(";waits")


def refuses(url):
    host, _, port = url.rpartition("/")[2].partition(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) != 0
