"""The handler and the server that takes entries, over TLS: nothing but the state folder is told to either."""

import json
import logging
import struct

import pytest

from headrace import _core
from headrace.certs.authority import Authority
from headrace.logs import Handler
from headrace.state import StateFolder


def entries(journal):
    """What the journal has of each entry: level, source, message, fields."""
    data = b"".join(piece.lines for piece in journal.open_from(0, max_payloads=10_000, max_bytes=1 << 30))
    found = []
    while data:
        (length,) = struct.unpack_from("<B", data, 9)
        level, data = data[10 : 10 + length], data[10 + length :]
        (length,) = struct.unpack_from("<H", data)
        source, data = data[2 : 2 + length], data[2 + length :]
        (length,) = struct.unpack_from("<I", data)
        message, data = data[4 : 4 + length], data[4 + length :]
        fields, _, data = data.partition(b"\n")
        found.append((level.decode(), source.decode(), message.decode(), json.loads(fields) if fields else {}))
    return found


@pytest.fixture
def state(tmp_path):
    return StateFolder.at(tmp_path / "state")


@pytest.fixture
def served(state, tmp_path):
    """A log server of this machine: its URL, and its journal."""
    leaf = Authority(state.path / "certs").leaf(["127.0.0.1", "localhost"], "logs")
    journal = _core.Journal(tmp_path / "journal", reserve_bytes=0, retain=600.0)
    server = _core.LogServer(journal, _core.LogOptions(tokens=[state.token(create=True)]))
    engine = _core.Engine(threads=1)
    listener = engine.listen("127.0.0.1:0", server, tls=_core.Tls([(str(leaf.certificate), str(leaf.key))]))
    yield f"https://{listener.address}", journal
    engine.stop(0.0)
    journal.close()


def test_token_and_authority_of_the_machine_are_found(served, state):
    url, journal = served
    handler = Handler(url, "shop", state=state.path)
    log = logging.Logger("shop")  # noqa: LOG001
    log.addHandler(handler)
    for number in range(5000):
        log.info("entry %d; of many", number, extra={"user": number} if number % 100 == 0 else None)
    handler.flush()
    counts = handler.counts()
    handler.close()
    assert (counts["put"], counts["acknowledged"], counts["refused"]) == (5000, 5000, 0)
    found = entries(journal)
    assert [message for _, _, message, _ in found] == [f"entry {number}; of many" for number in range(5000)]
    assert {(level, source) for level, source, _, _ in found} == {("INFO", "shop")}
    assert [fields for *_, fields in found[:101:50]] == [{"user": 0}, {}, {"user": 100}]


def test_a_wrong_token_is_told_and_costs_the_entries(served, state, capfd):
    url, journal = served
    handler = Handler(url, "shop", state=state.path, token="wrong")
    log = logging.Logger("shop")  # noqa: LOG001
    log.addHandler(handler)
    log.error("refused")
    handler.flush()
    assert handler.counts()["refused"] == 1
    handler.close()
    assert not entries(journal)
    assert f"{url} refuses log entries, 1 this time: 401" in capfd.readouterr().err


def test_a_server_of_another_authority_gets_nothing(served, tmp_path):
    url, journal = served
    other = StateFolder.at(tmp_path / "other")
    Authority(other.path / "certs")
    Authority(other.path / "certs").leaf(["localhost"], "any")
    handler = Handler(url, "shop", state=other.path)
    log = logging.Logger("shop")  # noqa: LOG001
    log.addHandler(handler)
    log.error("kept")
    handler.flush()
    counts = handler.counts()
    handler.close()
    assert (counts["acknowledged"], counts["spilled"]) == (0, 1)
    assert not entries(journal)
