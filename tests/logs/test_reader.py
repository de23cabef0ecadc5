"""The reader and its verbs, against a log server over files that the test writes."""

import json
import signal
import subprocess
import sys
import threading

import pytest

from headrace.errors import OperationError, UsageError
from headrace.logs.destination import Destination
from headrace.logs.reader import Reader, Wanted
from tests.processes import until

from .log_reader import TOKEN, append, line, serving


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "log").mkdir()
    return tmp_path / "log"


@pytest.fixture
def reader(tmp_path, folder):
    with serving(folder, tmp_path / "journal") as reader:
        yield reader


def messages(entries):
    return [entry["message"] for entry in entries]


def test_search_goes_through_all_pages(reader, folder):
    append(folder, *(line(second % 3600, message=str(second)) for second in range(2500)))
    assert len(list(reader.search(Wanted()))) == 2500
    assert messages(reader.search(Wanted(), limit=1234, newest_first=True))[0] == "2499"
    assert len(list(reader.search(Wanted(), limit=1234))) == 1234


def test_search_finds_what_is_wanted(reader, folder):
    append(
        folder,
        line(0, "INFO", "web", "Timeout"),
        line(1, "ERROR", "load balancer", "timeout", '{"request_id":"7"}'),
        line(2, "ERROR", "web", "full"),
    )
    assert messages(reader.search(Wanted("timeout"))) == ["timeout"]
    assert messages(reader.search(Wanted("timeout", any_case=True))) == ["Timeout", "timeout"]
    assert messages(reader.search(Wanted(level="error", source="web"))) == ["full"]
    assert messages(reader.search(Wanted(request_id="7"))) == ["timeout"]
    assert messages(reader.search(Wanted(since="2026-11-23T12:00:01Z", until="2026-11-23T12:00:02Z"))) == ["timeout"]


def test_what_is_not_understood_is_wrong_usage(reader):
    with pytest.raises(UsageError, match="since is a time"):
        list(reader.search(Wanted(since="soon")))
    with pytest.raises(OperationError, match="token"):
        list(Reader(Destination(reader.destination.url, "wrong", None, None)).search(Wanted()))
    with pytest.raises(OperationError, match="cannot reach"):
        next(Reader(Destination("http://127.0.0.1:1", "", None, None)).follow(Wanted()))


def test_a_file_that_cannot_be_read_is_told(tmp_path, folder):
    told = []
    with serving(folder, tmp_path / "journal", warn=told.append) as reader:
        append(folder, line(0))
        (folder / "log-20261123-110000-0001.txt.zst").write_bytes(b"something else")
        assert len(list(reader.search(Wanted()))) == 1
    assert told == ["the collector can't read log-20261123-110000-0001.txt"]


def test_following_goes_on_after_a_restart_of_the_collector_with_each_line_once(tmp_path, folder):
    append(folder, line(0, message="0"))
    followed: list[str] = []
    warnings: list[str] = []

    def follow(reader: Reader) -> None:
        for entry in reader.follow(Wanted(), last=1):
            followed.append(entry["message"])
            if entry["message"] == "end":
                return

    with serving(folder, tmp_path / "journal", warn=warnings.append) as reader:
        thread = threading.Thread(target=follow, args=(reader,), daemon=True)
        thread.start()
        until(lambda: followed == ["0"], what="the line from before")
        append(folder, line(1, message="1"))
        until(lambda: followed == ["0", "1"], what="the first two lines")
    append(folder, line(2, message="2"))
    until(lambda: warnings, what="a word about the lost connection")
    with serving(folder, tmp_path / "journal", reader.destination.url.removeprefix("http://")):
        append(folder, line(3, message="end"))
        thread.join(30)
    assert followed == ["0", "1", "2", "end"]


def headrace(reader, *arguments):
    place = ["--url", reader.destination.url, "--token", TOKEN]
    command = [sys.executable, "-m", "headrace", "logs", *arguments, *place]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_verbs_print_lines_or_json(reader, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "state"))
    append(folder, *(line(second, message=f"number {second}") for second in range(30)))
    assert headrace(reader, "tail", "-n", "2").stdout == (
        "2026-11-23 12:00:28 INFO     web: number 28\n2026-11-23 12:00:29 INFO     web: number 29\n"
    )
    found = headrace(reader, "search", "number 1", "--limit", "2", "--json").stdout.splitlines()
    assert [json.loads(text)["message"] for text in found] == ["number 1", "number 10"]
    wrong = headrace(reader, "search", "--since", "soon")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("headrace: error: since is a time")
    assert len(wrong.stderr.splitlines()) == 1


def test_tail_follows_until_it_is_interrupted(reader, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "state"))
    append(folder, line(0, message="before"))
    place = ["--url", reader.destination.url, "--token", TOKEN]
    command = [sys.executable, "-u", "-m", "headrace", "logs", "tail", "-f", "-n", "1", *place]
    # Whoever runs the tests in the background is deaf to it, and so would be what they start.
    deaf = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, deaf)
    with started as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith("before\n")
        append(folder, line(1, message="after"))
        assert process.stdout.readline().endswith("after\n")
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(30) == 130
        finally:
            process.kill()
