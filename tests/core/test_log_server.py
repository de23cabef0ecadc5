"""The log server over the wire: what is acknowledged is in the journal, and what is wrong with one entry is told."""

from __future__ import annotations

import gzip
import json
import struct
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import zstandard

from headrace._core import Engine, Journal, Limits, LogOptions, LogServer

from .ingest_service import Answer, Http1Poster, Http2Poster, Poster, post, told

if TYPE_CHECKING:
    from collections.abc import Callable

MEGABYTE = 1 << 20
SECOND = 1_000_000_000
SOME = 1_700_000_000  # a time, in seconds since 1970
NONE, UNDATED, CLAMPED = range(3)


class Entry(NamedTuple):
    time: int
    mark: int
    level: str
    source: str
    message: str
    fields: Any


class Service:
    """A log server on a free port, with the journal behind it."""

    def __init__(self, folder, secure, **options) -> None:
        self.journal = Journal(folder, reserve_bytes=0, retain=600.0, **options.pop("journal", {}))
        server = LogServer(self.journal, LogOptions(**options))
        self.engine = Engine(threads=1, limits=Limits())
        self._tls, self._trust = secure or (None, None)
        self.listener = self.engine.listen("127.0.0.1:0", server, tls=self._tls)
        self.clients: list[Poster] = []

    def post(self, body: bytes | str, *fields: str, target: str = "/", method: str = "POST") -> Answer:
        """Over a new connection; as the machine's own where no other `Host` is given."""
        address = self.listener.address
        client = Http2Poster(address, self._trust) if self._trust else Http1Poster(address)
        self.clients.append(client)
        return post(client, body, *fields, target=target, method=method)

    def kept(self) -> list[Entry]:
        slices = self.journal.open_from(0, max_payloads=10_000, max_bytes=1 << 30)
        data = b"".join(piece.lines for piece in slices)
        entries = []
        while data:
            entry, data = decoded(data)
            entries.append(entry)
        return entries

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.engine.stop(0.0)
        self.journal.close()


def decoded(data: bytes) -> tuple[Entry, bytes]:
    """The entry that `data` begins with, as the journal has it, and what follows its line feed."""
    when, mark, length = struct.unpack_from("<qBB", data)
    level, data = data[10 : 10 + length], data[10 + length :]
    (length,) = struct.unpack_from("<H", data)
    source, data = data[2 : 2 + length], data[2 + length :]
    (length,) = struct.unpack_from("<I", data)
    message, data = data[4 : 4 + length], data[4 + length :]
    fields, _, rest = data.partition(b"\n")
    parsed = json.loads(fields) if fields else {}
    return Entry(when, mark, level.decode(), source.decode(), message.decode(), parsed), rest


@pytest.fixture(params=["http1", "http2"])
def start(request, tmp_path, tls, authority) -> Callable[..., Service]:
    """Starts log servers that ask a token, `secret`, unless told otherwise; each test is done over either protocol."""
    started = []

    def begin(**options):
        secure = (tls, authority.client_context("h2")) if request.param == "http2" else None
        service = Service(tmp_path / str(len(started)), secure, **{"tokens": ["secret"], **options})
        started.append(service)
        return service

    yield begin
    for service in started:
        service.close()


TOKEN = "Authorization: Bearer secret"


def entry(message: str = "hello", **others: Any) -> dict[str, Any]:
    return {"Level": "INFO", "Timestamp": SOME, "Source": "blog", "Message": message, **others}


def test_entries_are_in_the_journal_when_they_are_acknowledged(start):
    service = start()
    for body in (entry("one"), [entry("two"), entry("three", user=7)]):
        assert service.post(json.dumps(body), TOKEN).status == 200
    lines = "\n".join(
        json.dumps(entry(message)) for message in ("four\nlines", "f\N{LATIN SMALL LETTER U WITH DIAERESIS}nf")
    )
    answer = service.post(lines, TOKEN)
    assert (answer["content-type"], told(answer)) == (
        "application/json; charset=UTF-8",
        {"accepted": 2, "refused": 0, "errors": []},
    )
    kept = service.kept()
    assert [each.message for each in kept] == ["one", "two", "three", "four\nlines", "f\u00fcnf"]
    assert kept[2] == (SOME * SECOND, NONE, "INFO", "blog", "three", {"user": 7})


def test_what_is_wrong_with_one_is_told_and_the_others_are_kept(start):
    service = start()
    answer = service.post(json.dumps([entry("one"), 7, {"Level": "INFO"}, entry("two")]), TOKEN)
    assert answer.status == 200
    verdict = told(answer)
    assert (verdict["accepted"], verdict["refused"]) == (2, 2)
    assert [error["index"] for error in verdict["errors"]] == [1, 2]
    assert "Message is missing" in verdict["errors"][1]["error"]
    assert [each.message for each in service.kept()] == ["one", "two"]


@pytest.mark.parametrize("body", ["", "nonsense", "[1", "[7, 8]", '{"Level": "INFO"}', b"\xff"])
def test_what_holds_no_entry_is_refused(start, body):
    service = start()
    answer = service.post(body, TOKEN)
    assert (answer.status, told(answer)["error"]) == (400, "bad_request")
    assert service.kept() == []


def test_an_empty_array_is_nothing_and_no_mistake(start):
    assert told(start().post("[]", TOKEN)) == {"accepted": 0, "refused": 0, "errors": []}


def test_times_that_are_missing_or_lie_ahead_are_those_of_the_arrival(start):
    service = start(max_ahead=10.0)
    began = time.time_ns()
    ahead = began // SECOND + 3600
    for stamp in (None, ahead, "9999-12-31T23:59:59Z", began // SECOND + 5):
        service.post(json.dumps(entry(Timestamp=stamp)), TOKEN)
    undated, clamped, beyond, near = service.kept()
    assert [undated.mark, clamped.mark, beyond.mark, near.mark] == [UNDATED, CLAMPED, CLAMPED, NONE]
    assert all(began <= each.time <= time.time_ns() for each in (undated, clamped, beyond))
    assert (clamped.fields, beyond.fields) == ({"timestamp": ahead}, {"timestamp": "9999-12-31T23:59:59Z"})


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "zstd"])
def test_bodies_may_be_compressed(start, compress):
    service = start()
    coding = "gzip" if compress is gzip.compress else "zstd"
    lines = "\n".join(json.dumps(entry(str(n))) for n in range(1000)).encode()
    assert told(service.post(compress(lines), TOKEN, f"Content-Encoding: {coding}"))["accepted"] == 1000
    assert [each.message for each in service.kept()] == [str(n) for n in range(1000)]


def test_clients_of_loki_are_understood(start):
    service = start()
    values = [[str(SOME * SECOND + 1), "one"], [str(SOME * SECOND + 2), "two", {"user": "7"}]]
    body = {"streams": [{"stream": {"app": "blog", "level": "warn"}, "values": values}]}
    answer = service.post(json.dumps(body), TOKEN, "Content-Type: application/json", target="/loki/api/v1/push")
    assert (answer.status, answer.body, "content-length" in answer) == (204, b"", False)
    assert service.kept() == [
        (SOME * SECOND + 1, NONE, "WARNING", "blog", "one", {}),
        (SOME * SECOND + 2, NONE, "WARNING", "blog", "two", {"user": "7"}),
    ]


def test_clients_of_opentelemetry_are_understood(start):
    service = start()
    record = {"timeUnixNano": str(SOME * SECOND), "severityNumber": 17, "body": {"stringValue": "oh"}, "traceId": "ab"}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "blog"}}]}

    def export(*records):
        body = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]}
        return service.post(json.dumps(body), TOKEN, target="/v1/logs")

    assert (export(record).status, told(export(record))) == (200, {})
    partial = told(export(record, {**record, "timeUnixNano": "soon"}))["partialSuccess"]
    assert (partial["rejectedLogRecords"], "nanoseconds" in partial["errorMessage"]) == ("1", True)
    assert set(service.kept()[0][:-1]) == {SOME * SECOND, NONE, "ERROR", "blog", "oh"}
    binary = service.post(b"\x0a\x00", TOKEN, "Content-Type: application/x-protobuf", target="/v1/logs")
    assert (binary.status, binary["accept"], told(binary)["error"]) == (
        415,
        "application/json",
        "unsupported_media_type",
    )


@pytest.mark.parametrize("given", [(), ("Authorization: Bearer secre",), ("Authorization: Basic c2VjcmV0",)])
def test_the_token_is_asked_for(start, given):
    service = start()
    for method, target in (("POST", "/"), ("GET", "/search"), ("GET", "/nowhere")):
        answer = service.post(json.dumps(entry()), *given, method=method, target=target)
        assert (answer.status, answer["www-authenticate"], told(answer)["error"]) == (401, "Bearer", "unauthorized")
    assert service.kept() == []


def test_an_open_server_is_not_open_to_web_pages(start):
    service = start(tokens=[])
    body = json.dumps(entry())
    # The clients here call the server `app.test`, as a page would whose name was made to mean this machine.
    assert (service.post(body).status, told(service.post(body))["error"]) == (403, "forbidden")
    assert service.kept() == []


def test_what_is_not_there_or_not_to_be_done_is_told(start):
    service = start()
    assert service.post("[]", TOKEN, target="/nowhere").status == 404
    wrong = service.post(b"", TOKEN, method="GET")
    assert (wrong.status, wrong["allow"]) == (405, "POST")
    assert service.post("[]", TOKEN, "Content-Encoding: br").status == 415
    small = start(max_length=1000)
    assert small.post(b" " * 1001, TOKEN).status == 413
    assert small.post(gzip.compress(b" " * 1001), TOKEN, "Content-Encoding: gzip").status == 413


def test_what_is_sent_again_with_its_key_is_kept_once(start):
    service = start()
    body, key = json.dumps([entry(), 7]), "Idempotency-Key: a"
    answers = [service.post(body, TOKEN, key) for _ in range(3)]
    assert all(answer.body == answers[0].body for answer in answers)
    assert len(service.kept()) == 1
    assert service.post(json.dumps(entry("other")), TOKEN, key).status == 422


def test_a_full_journal_refuses_early_and_says_when_to_come_back(start):
    service = start(journal={"max_payloads": 2})
    assert service.post(json.dumps([entry(), entry()]), TOKEN).status == 200
    answer = service.post(json.dumps(entry()), TOKEN)
    assert (answer.status, told(answer)["error"], int(answer["retry-after"]) >= 1) == (503, "queue_full", True)
    assert len(service.kept()) == 2


def test_a_long_message_and_odd_text_are_kept_as_they_are(start):
    service = start()
    messages = ["x" * MEGABYTE, "\0\r\n;\\", "\N{GRINNING FACE}", ""]
    for message in messages:
        assert service.post(json.dumps(entry(message)), TOKEN).status == 200
    assert service.post(r'{"message": "\ud83d", "timestamp": 1}', TOKEN).status == 200
    assert [each.message for each in service.kept()] == [*messages, "\ufffd"]
