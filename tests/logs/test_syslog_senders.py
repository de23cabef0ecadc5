"""Daemons that others wrote, configured as their documentation says, send their logs to a real collector."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import free_port, until

from .collector_process import Collector, collector

pytest.importorskip("headrace._core", reason="the compiled core is not installed")

SYSLOG = ("--syslog", "127.0.0.1:0", "--window", "100ms")

HAPROXY = """
global
    log ring@collector local0
ring collector
    format {form}
    maxlen 1200
    size 32764
    timeout connect 5s
    timeout server 10s
    server collector {collector} {framing}
defaults
    mode http
    option httplog
    log global
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend web
    bind 127.0.0.1:{port}
    http-request return status 200
"""
SYSLOG_NG = """@version: 3.35
options {{ use-dns(no); keep-hostname(yes); }};
source incoming {{ network(ip("127.0.0.1") port({port}) transport("tcp") flags(syslog-protocol)); }};
destination collector {{ syslog("127.0.0.1" port({collector}) transport("tcp")); }};
log {{ source(incoming); destination(collector); }};
"""


def tool(name: str) -> str:
    """The program has to be there where CI says that all is."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        message = f"{name} is not installed: apt-get install {name}"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return found


@contextlib.contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    """The daemon, once it listens at `port`."""
    with (folder / "daemon").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        until(lambda: _listens(port) or process.poll() is not None, what="daemon")
        assert process.poll() is None, (folder / "daemon").read_text()
        yield
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def place(service: Collector) -> str:
    return service.ready["syslog"]


def columns(line: str) -> tuple[str, str, str, dict[str, object]]:
    """Level, source, message and fields."""
    _, level, source, message, *fields = re.split(r"(?<!\\);", line, maxsplit=4)
    return level, source, message, json.loads(fields[0]) if fields else {}


@pytest.mark.parametrize(
    ("form", "framing"), [("rfc5424", "log-proto octet-count"), ("rfc3164", "log-proto octet-count"), ("rfc5424", "")]
)
def test_haproxy_sends_what_it_was_asked(tmp_path, form, framing):
    program = tool("haproxy")
    with collector(tmp_path, *SYSLOG, environ={"TZ": "UTC"}) as service:
        port, configuration = free_port(), tmp_path / "haproxy.cfg"
        text = HAPROXY.format(form=form, framing=framing, collector=place(service), port=port)
        configuration.write_text(text)
        with running([program, "-db", "-f", str(configuration)], tmp_path, port):
            for number in range(3):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/page{number}", timeout=20).close()

            def pages() -> list[tuple[str, str, str, dict[str, object]]] | None:
                found = [columns(line) for line in service.until_written(1) if "GET /page" in line]
                return found if len(found) == 3 else None

            level, source, message, fields = until(pages, what="entries")[0]
        status = service.status()["syslog"]
    assert (level, source) == ("INFO", "haproxy")
    assert '"GET /page0 HTTP/1.1"' in message
    assert fields["facility"] == "local0"
    assert str(fields["procid"]).isdigit()
    assert (status["malformed"], status["cut"]) == (0, 0)


def test_syslog_ng_passes_on_what_it_gets(tmp_path):
    program = tool("syslog-ng")
    with collector(tmp_path, *SYSLOG) as service:
        port, configuration = free_port(), tmp_path / "syslog-ng.conf"
        configuration.write_text(SYSLOG_NG.format(port=port, collector=place(service).rpartition(":")[2]))
        own = ["--persist-file", str(tmp_path / "persist"), "--pidfile", str(tmp_path / "pid")]
        command = [program, "-F", "--no-caps", "-f", str(configuration), *own, "-c", str(tmp_path / "control")]
        with running(command, tmp_path, port), socket.create_connection(("127.0.0.1", port), 20) as client:
            client.sendall(b'<131>1 2026-11-20T12:00:00+01:00 web1 shop 7 sale [order@1 id="8"] sold out\n')
            (line,) = service.until_written(1)
    assert line.startswith("2026-11-20 11:00:00;ERROR;shop;sold out;")
    fields = columns(line)[3]
    expected = {"facility": "local0", "hostname": "web1", "procid": "7", "msgid": "sale"}
    assert {name: fields[name] for name in expected} == expected
    assert fields["order@1"] == {"id": "8"}
