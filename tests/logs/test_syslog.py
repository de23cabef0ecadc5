"""`headrace logs collect --syslog`, and the programs that send it."""

import calendar
import logging
import logging.handlers
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from tests.ingest.oracle.disk import small_disk
from tests.processes import until

from .collector_process import Collector, collector, settled
from .test_collect_disks import JOURNAL

pytest.importorskip("headrace._core", reason="the compiled core is not installed")

SYSLOG = ("--syslog", "127.0.0.1:0", "--window", "100ms")


def place(service: Collector) -> tuple[str, int]:
    """Where the collector takes syslog, which its ready line tells."""
    host, _, port = service.ready["syslog"].rpartition(":")
    return host, int(port)


def connected(service: Collector) -> socket.socket:
    return socket.create_connection(place(service), 20)


def parts(line: str) -> list[str]:
    """Level, source, message and fields of a line."""
    return line.split(";")[1:]


def test_the_handler_of_the_standard_library_sends_by_tcp(tmp_path):
    with collector(tmp_path, *SYSLOG) as service:
        handler = logging.handlers.SysLogHandler(place(service), socktype=socket.SOCK_STREAM)
        log = logging.getLogger("syslog test")
        log.addHandler(handler)
        log.warning("sold out; again")
        log.error("%d left", 0)
        log.removeHandler(handler)
        handler.close()
        lines = service.until_written(2)
        assert [parts(line) for line in lines] == [["WARNING", "", "sold out\\", " again"], ["ERROR", "", "0 left"]]
        status = service.status()["syslog"]
        assert (status["messages"], status["malformed"], status["refused_peers"]) == (2, 0, 0)
        metrics = service.admin.get("/metrics").text
        assert "headrace_logs_syslog_messages_total 2.0" in metrics
        until(lambda: service.status()["syslog"]["open"] == 0, what="the end of the connection")


def logger_program() -> str:
    found = shutil.which("logger")
    if not found and "CI" not in os.environ:
        pytest.skip("logger (bsdutils) is not installed")
    assert found, "logger (bsdutils) is not installed"
    return found


@pytest.mark.parametrize("framing", [[], ["--octet-count"]], ids=["lines", "counted"])
@pytest.mark.parametrize("form", ["--rfc5424", "--rfc3164"])
def test_logger_sends_either_form_in_either_frame(tmp_path, form, framing):
    program = logger_program()
    with collector(tmp_path, *SYSLOG, environ={"TZ": "America/New_York"}) as service:
        host, port = place(service)
        command = [program, "-T", form, *framing, "-n", host, "-P", str(port), "-t", "shop", "-p", "local0.err"]
        environment = {**os.environ, "TZ": "America/New_York"}
        subprocess.run([*command, "sold out"], check=True, timeout=60, env=environment)
        (line,) = service.until_written(1)
        status = service.status()["syslog"]
    assert parts(line)[:3] == ["ERROR", "shop", "sold out"]
    assert '"facility":"local0"' in line
    assert f'"hostname":"{socket.gethostname().split(".")[0]}' in line
    assert "timestamp" not in line, "its time is taken for what it is"
    written = calendar.timegm(time.strptime(line[:19], "%Y-%m-%d %H:%M:%S"))
    assert abs(time.time() - written) < 600
    assert (status["messages"], status["malformed"], status["cut"]) == (1, 0, 0)


def test_it_is_taken_over_tls_by_the_collectors_certificate(tmp_path):
    with collector(tmp_path, *SYSLOG, plain=False) as service:
        trust = ssl.create_default_context(cafile=str(service.ca))
        with trust.wrap_socket(connected(service), server_hostname="localhost") as client:
            message = b"<14>1 - web1 shop - - - two\nlines"
            client.sendall(b"%d %s" % (len(message), message))
            (line,) = service.until_written(1)
    assert parts(line) == ["INFO", "shop", "two\\nlines", '{"hostname":"web1"}']


def test_who_may_not_send_is_closed_and_counted(tmp_path):
    with collector(tmp_path, *SYSLOG, "--syslog-from", "192.0.2.0/24") as service:
        with connected(service) as client:
            assert client.recv(1) == b""
        assert service.status()["syslog"]["refused_peers"] == 1


def test_networks_that_are_none_stop_the_start(tmp_path):
    told = pytest.raises(AssertionError, match="syslog cannot be taken as the settings say")
    with told, collector(tmp_path, *SYSLOG, "--syslog-from", "home"):
        pass


def test_without_the_flag_nobody_listens(tmp_path):
    with collector(tmp_path) as service:
        assert "syslog" not in service.ready


def test_what_was_taken_outlives_a_kill(tmp_path):
    with collector(tmp_path, "--syslog", "127.0.0.1:0", "--window", "5s") as service, connected(service) as client:
        for number in range(500):
            client.sendall(f"<14>message {number}\n".encode())
        until(lambda: service.status()["accepted"] == 500, what="all messages in the journal")
        service.stop(signal.SIGKILL)
    with collector(tmp_path, *SYSLOG) as service:
        service.until_written(500)
        assert service.stop() == 0
    assert sorted(messages(tmp_path)) == sorted(f"message {number}" for number in range(500))


def test_a_stop_writes_what_was_sent_before(tmp_path):
    with collector(tmp_path, *SYSLOG) as service, connected(service) as client:
        client.sendall(b"".join(f"<14>message {number}\n".encode() for number in range(5000)))
        until(lambda: service.status()["syslog"]["open"] == 1, what="a connection")
        assert service.stop() == 0
    assert messages(tmp_path) == [f"message {number}" for number in range(5000)]


def test_a_full_disk_below_the_journal_makes_senders_wait_and_loses_nothing(tmp_path):
    with small_disk(tmp_path / "state" / "logs") as disk, collector(tmp_path, *SYSLOG, environ=JOURNAL) as service:
        with connected(service) as client:
            client.sendall(b"<14>before\n")
            service.until_written(1)
            with disk.full():
                until(lambda: service.admin.get("/readyz").status_code == 503, what="alarm")
                for number in range(100):
                    client.sendall(f"<14>meanwhile {number}\n".encode())
                assert service.status()["accepted"] == 1
            service.until_written(101)
        assert service.stop() == 0
    assert messages(tmp_path) == ["before", *(f"meanwhile {number}" for number in range(100))]


def messages(folder: Path) -> list[str]:
    return [line.rpartition(";")[2] for line in settled(folder)]
