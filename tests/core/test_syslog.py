"""Syslog over the wire: what was read is in the journal, whoever sends it and however."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from headrace._core import CoreError, Engine, Journal, Limits, LogFile, LogOptions, LogServer, SyslogServer
from tests.processes import until

from .test_log_server import Entry, decoded

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path


def counted(message: bytes) -> bytes:
    return b"%d %s" % (len(message), message)


STREAM = b"".join(
    (
        b"<14>1 2023-11-14T22:13:20Z web1 app 7 - - one\n",
        counted(b"<14>1 2023-11-14T22:13:20Z web1 app - - - two\nlines"),
        b"<14>app: three\0",
        b"\n\0",
        b"<14>f\xff\xfcnf\n",
        counted(b"<14>si\0x\n;y\\z"),
        b"no priority\r\n",
        b"<14>end",
    )
)
MESSAGES = ["one", "two\nlines", "app: three", "f\ufffd\ufffdnf", "si\0x\n;y\\z", "no priority", "end"]
SECOND = 1_000_000_000


class Service:
    """Syslog on a free port, with the journal behind it."""

    def __init__(
        self, folder: Path, *, tls: Any = None, networks: tuple[str, ...] = ("127.0.0.0/8",), **options: Any
    ) -> None:
        self.journal = Journal(folder, reserve_bytes=0, **options.pop("journal", {}))
        self.server = SyslogServer(LogServer(self.journal, LogOptions()), networks=networks, **options)
        self.engine = Engine(threads=1)
        self.listener = self.engine.listen("127.0.0.1:0", self.server, tls=tls)
        self.clients: list[socket.socket] = []

    def client(self, trust: ssl.SSLContext | None = None) -> socket.socket:
        host, _, port = self.listener.address.rpartition(":")
        client = socket.create_connection((host, int(port)), 20)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if trust:
            client = trust.wrap_socket(client, server_hostname="localhost")
        self.clients.append(client)
        return client

    def kept(self, count: int) -> list[Entry]:
        """All entries, once there are so many."""
        until(lambda: self.journal.status().counts["appended"] >= count, what=f"{count} entries")
        slices = self.journal.open_from(0, max_payloads=100_000, max_bytes=1 << 30)
        data, entries = b"".join(piece.lines for piece in slices), []
        while data:
            entry, data = decoded(data)
            entries.append(entry)
        return entries

    def messages(self, count: int) -> list[str]:
        return [entry.message for entry in self.kept(count)]

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.engine.stop(0.0)
        self.journal.close()


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Service]:
    started: list[Service] = []

    def begin(**options: Any) -> Service:
        started.append(Service(tmp_path / str(len(started)), **options))
        return started[-1]

    yield begin
    for service in started:
        service.close()


def closed(client: socket.socket) -> bool:
    """Whether the other end closes, in good order or not."""
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


def test_messages_of_all_kinds_in_one_stream_are_entries(start):
    service = start()
    with service.client() as client:
        client.sendall(STREAM)
    kept = service.kept(len(MESSAGES))
    assert [entry.message for entry in kept] == MESSAGES
    fields = {"hostname": "web1", "procid": "7"}
    assert kept[0] == (1_700_000_000 * SECOND, 0, "INFO", "app", "one", fields)
    counters = service.engine.counters()
    assert (counters.syslog_messages, counters.syslog_malformed, counters.syslog_cut) == (len(MESSAGES), 1, 0)
    assert counters.bytes_received == len(STREAM)


def test_a_stream_may_be_split_at_each_byte(start):
    service = start()
    for at in range(1, len(STREAM)):
        with service.client() as client:
            client.sendall(STREAM[:at])
            client.sendall(STREAM[at:])
    counts = dict.fromkeys(MESSAGES, 0)
    for message in service.messages(len(MESSAGES) * (len(STREAM) - 1)):
        counts[message] += 1
    assert set(counts.values()) == {len(STREAM) - 1}


def test_a_stream_may_come_byte_by_byte(start):
    service = start()
    with service.client() as client:
        for at in range(len(STREAM)):
            client.sendall(STREAM[at : at + 1])
    assert service.messages(len(MESSAGES)) == MESSAGES


def test_a_sender_of_many_messages_has_all_of_them_kept_in_order(start):
    service = start()
    expected = [f"message {number}" for number in range(5000)]
    with service.client() as client:
        for message in expected:
            client.sendall(f"<14>{message}\n".encode())
    assert service.messages(len(expected)) == expected


def test_much_at_once_comes_through(start):
    service = start()
    expected = [f"{number} " + "x" * 200 for number in range(20_000)]
    with service.client() as client:
        client.sendall("".join(f"<14>{message}\n" for message in expected).encode())
    assert service.messages(len(expected)) == expected


def test_over_tls_it_is_the_same(start, tls, authority):
    service = start(tls=tls)
    expected = [*MESSAGES, *[f"{number} " + "x" * 200 for number in range(5000)]]
    with service.client(authority.client_context()) as client:
        client.sendall(STREAM + b"\n" + "".join(f"<14>{text}\n" for text in expected[len(MESSAGES) :]).encode())
        for number in range(200):
            client.sendall(f"<14>slowly {number}\n".encode())
    expected += [f"slowly {number}" for number in range(200)]
    assert service.messages(len(expected)) == expected


def test_plain_bytes_at_a_port_with_tls_are_nothing(start, tls):
    service = start(tls=tls)
    with service.client() as client:
        client.sendall(STREAM)
        client.shutdown(socket.SHUT_WR)
        while not closed(client):
            pass
    assert service.journal.status().counts["appended"] == 0


@pytest.mark.parametrize("frame", [b"<14>%s\n", b"200004 <14>%s"])
def test_a_message_that_is_too_long_is_cut_and_the_next_one_is_whole(start, frame):
    service = start(max_message=1000)
    with service.client() as client:
        client.sendall(frame % (b"x" * 200_000) + b"<14>next\n")
    assert service.messages(2) == ["x" * 996, "next"]
    assert service.engine.counters().syslog_cut == 1


def test_what_was_not_whole_when_the_connection_ended_is_kept(start):
    service = start()
    with service.client() as client:
        client.sendall(b"<14>whole\n100 <14>half")
    assert service.messages(2) == ["whole", "half"]
    assert service.engine.counters().syslog_cut == 1


def test_who_is_in_no_network_is_closed_at_once(start):
    service = start(networks=["10.0.0.0/8", "::1"])
    with service.client() as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(STREAM)
        assert closed(client)
    assert service.engine.counters().syslog_strangers == 1
    assert service.journal.status().counts["appended"] == 0


def test_what_makes_no_sense_is_refused(tmp_path):
    journal = Journal(tmp_path, reserve_bytes=0)
    logs = LogServer(journal)
    with pytest.raises(CoreError, match="no network"):
        SyslogServer(logs, networks=["here"])
    for length in (0, (4 << 20) + 1):
        with pytest.raises(ValueError, match="max_message"):
            SyslogServer(logs, networks=[], max_message=length)
    journal.close()


def test_a_time_without_zone_is_of_the_zone_that_was_told(start):
    service = start()
    service.server.set_utc_offset(-3600)
    now = int(time.time()) - 86_400 * 30
    with service.client() as client:
        said = time.strftime("%b %d %H:%M:%S", time.gmtime(now - 3600))
        client.sendall(f"<14>{said} web1 app: x\n".encode())
    (entry,) = service.kept(1)
    assert entry.time == now * SECOND


def test_a_stop_keeps_what_the_kernel_had_and_closes_idle_connections(start):
    service = start()
    idle, busy = service.client(), service.client()
    busy.sendall(b"<14>first\n")
    service.kept(1)
    busy.sendall(b"".join(b"<14>%d\n" % number for number in range(10_000)) + b"<14>half")
    until(lambda: service.engine.counters().syslog_open == 2, what="both connections")
    assert service.engine.stop(20.0)
    assert closed(idle)
    assert closed(busy)
    assert service.messages(10_002) == ["first", *map(str, range(10_000)), "half"]
    assert service.engine.counters().syslog_open == 0


def test_connections_are_bounded_as_others_are(tmp_path):
    journal = Journal(tmp_path, reserve_bytes=0)
    server = SyslogServer(LogServer(journal), networks=["127.0.0.1"])
    engine = Engine(threads=1, limits=Limits(connections=1))
    host, _, port = engine.listen("127.0.0.1:0", server).address.rpartition(":")
    with socket.create_connection((host, int(port)), 20) as first:
        until(lambda: engine.counters().syslog_open == 1, what="the first connection")
        with socket.create_connection((host, int(port)), 20) as second:
            assert closed(second)
        first.sendall(b"<14>still there\n")
        until(lambda: journal.status().counts["appended"] == 1, what="its entry")
    engine.stop(0.0)
    journal.close()


def test_a_full_journal_makes_senders_wait_and_each_message_is_there_once(start, tmp_path):
    service = start(journal={"max_payloads": 1000})
    count = 8000  # of 4 KiB: more than kernel and journal hold
    data = b"".join(b"<14>%07d%s\n" % (number, b"x" * 4096) for number in range(count))
    client = service.client()
    sender = threading.Thread(target=client.sendall, args=(data,))
    sender.start()
    until(lambda: service.journal.status().unlanded > 900, 60, "a full journal")
    assert sender.is_alive()
    file = open_file(service.journal, tmp_path)
    sender.join(60)
    until(lambda: len(written(tmp_path / "log.txt")) >= count, 60, "all of them")
    file.close(10.0)
    assert written(tmp_path / "log.txt") == list(range(count))


def test_more_messages_at_once_than_the_journal_takes_go_in_parts(start, tmp_path):
    service = start(journal={"max_payloads": 3})
    with service.client() as client:
        client.sendall(b"".join(b"<14>%07d\n" % number for number in range(20)))
    file = open_file(service.journal, tmp_path)
    until(lambda: len(written(tmp_path / "log.txt")) >= 20, 60, "all of them")
    file.close(10.0)
    assert written(tmp_path / "log.txt") == list(range(20))


def open_file(journal: Journal, folder: Path) -> LogFile:
    options: dict[str, Any] = {"line": "{time:ns};{message}", "window": 0.01}
    return LogFile(journal, folder / "log.txt", checkpoint=folder / "checkpoint", **options)


def written(path: Path) -> list[int]:
    """The numbers that messages of the log begin with."""
    lines = path.read_text().rpartition("\n")[0].splitlines() if path.exists() else []
    return sorted(int(line.split(";")[1][:7]) for line in lines)
