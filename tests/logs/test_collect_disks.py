"""Disks that are full or closed: below the journal entries are refused, below the file they wait."""

import signal

import pytest

from tests.ingest.oracle.disk import small_disk
from tests.processes import run, until

from .collector_process import Collector, collector, entry, lines, settled

pytest.importorskip("headrace._core", reason="the compiled core is not installed")

SMALL = ("--max-length", "64k")
JOURNAL = {"HEADRACE_LOGS_JOURNAL_BYTES": "4 MiB", "HEADRACE_LOGS_RESERVE": "1 MiB"}


@pytest.fixture
def journal_disk(tmp_path):
    with small_disk(tmp_path / "state" / "logs") as disk:
        yield disk


@pytest.fixture
def log_disk(tmp_path):
    with small_disk(tmp_path / "log") as disk:
        yield disk


def post(service: Collector, message: str) -> int:
    return service.public.post("/", json=entry(message)).status_code


def messages(folder) -> list[str]:
    return [line.rpartition(";")[2] for line in lines(folder)]


def test_a_full_disk_below_the_journal_refuses_until_there_is_room(tmp_path, journal_disk):
    with collector(tmp_path, *SMALL, environ=JOURNAL) as service:
        assert post(service, "before") == 200
        with journal_disk.full():
            until(lambda: post(service, "refused") == 507, what="refusal")
            assert service.admin.get("/readyz").status_code == 503
        until(lambda: post(service, "after") == 200, what="room")
        assert service.stop() == 0
    written = messages(tmp_path)
    assert (written.count("before"), written.count("after")) == (1, 1)


def wait_for_alarm(service: Collector) -> None:
    """Entries go on being posted: a file that nobody writes to has no fault."""

    def alarmed() -> bool:
        service.accept(entry("meanwhile " + "x" * 20_000))
        return bool(service.status()["wrong"])

    until(alarmed, what="alarm")


def test_a_full_disk_below_the_file_is_an_alarm_and_entries_wait(tmp_path, log_disk):
    with collector(tmp_path) as service:
        service.accept(entry("before"))
        service.until_written(1)
        with log_disk.full():
            wait_for_alarm(service)
            service.accept(entry("amid"))
            assert "amid" not in messages(tmp_path)
        until(lambda: "amid" in messages(tmp_path), what="line once there is room")
        until(lambda: not service.status()["wrong"], what="end of the alarm")
        accepted = service.status()["accepted"]
        assert service.stop() == 0
    assert len(settled(tmp_path)) == accepted


def test_a_kill_amid_a_full_disk_loses_nothing(tmp_path, log_disk):
    with collector(tmp_path) as service:
        service.accept(entry("before"))
        service.until_written(1)
        with log_disk.full():
            wait_for_alarm(service)
            service.accept(entry("amid"))
            accepted = service.status()["accepted"]
            assert service.stop(signal.SIGKILL) != 0
    with collector(tmp_path) as service:
        service.until_written(accepted)
        assert service.stop() == 0
    assert (len(settled(tmp_path)), messages(tmp_path).count("amid")) == (accepted, 1)


def test_a_disk_that_may_not_be_written_is_borne_and_a_stop_amid_it_ends(tmp_path, log_disk):
    with collector(tmp_path, "--drain", "500ms") as service:
        service.accept(entry("before"))
        service.until_written(1)
        service.stop()
    with log_disk.closed(), collector(tmp_path, "--drain", "500ms") as service:
        wait_for_alarm(service)
        accepted = service.status()["accepted"]
        assert service.stop() == 0
    with collector(tmp_path) as service:
        service.until_written(accepted + 1)
        assert service.stop() == 0
    assert len(settled(tmp_path)) == accepted + 1


@pytest.mark.parametrize("file", ["/dev/full", "/", "link"])
def test_what_cannot_be_renamed_away_is_no_log(tmp_path, file):
    (tmp_path / "link").symlink_to("elsewhere")
    done = run("logs", "collect", "--file", file, "--state", "state", "--address", "127.0.0.1:0", folder=tmp_path)
    assert done.returncode == 2
    assert "is no regular file" in done.stderr
    assert "Traceback" not in done.stderr
