"""A thousand bodies that are no collections: each gets its status, nothing of it is kept, memory stays flat."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from headrace._core import Journal

from .ingest_service import Answer, Http1Poster, Http2Poster, Poster, collection, kept, post
from .malformed import Case, malformed
from .process import ingest

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = 1000
SEED = 2026
FLAT = 40_000_000
"""Bytes that the process may grow by once it has seen all of them: the allocator's slack, a third of what is sent."""
WORDS = 2000
"""Bytes that an answer may have; what was sent is not said back at length."""


@pytest.fixture
def service(tmp_path, localhost):
    process = ingest(tmp_path / "journal", localhost.pair)
    yield process
    process.close()


class Sender:
    """Posts over one connection; over a new one where the server said that it ends."""

    def __init__(self, connect: Callable[[], Poster]) -> None:
        self._connect = connect
        self._poster = connect()

    def post(self, body: bytes | str, coding: str = "") -> Answer:
        answer = post(self._poster, body, *([f"Content-Encoding: {coding}"] if coding else []))
        if "connection" in answer:
            self.close()
            self._poster = self._connect()
        return answer

    def close(self) -> None:
        self._poster.close()


@pytest.fixture(params=["http1", "http2"])
def sender(request, service, authority):
    plain, secure = service.addresses
    trust = authority.client_context("h2")
    connect = (lambda: Http1Poster(plain)) if request.param == "http1" else (lambda: Http2Poster(secure, trust))
    with contextlib.closing(Sender(connect)) as opened:
        yield opened


def fault(case: Case, answer: Answer) -> str:
    """What is wrong with an answer; nothing, mostly."""
    said = f"{case.family}: {case.body[:100]!r} {case.coding}: {answer.status} {bytes(answer.body)[:1000]!r}"
    if answer.status != case.status or len(answer.body) > WORDS:
        return said
    json.loads(answer.body)["message"].encode()
    right = answer["content-type"] == "application/json; charset=UTF-8"
    return "" if right else said


def test_a_thousand_malformed_bodies(service, sender, tmp_path):
    cases = list(malformed(COUNT, SEED))
    for case in cases:
        sender.post(case.body, case.coding)
    before, faults = service.resident(), []
    for number, case in enumerate(cases):
        faults.append(fault(case, sender.post(case.body, case.coding)))
        if number % 100 == 0:
            assert sender.post(collection(number)).status == 200
    grown = service.resident() - before
    assert not [each for each in faults if each]
    assert grown < FLAT
    service.close()
    with contextlib.closing(Journal(tmp_path / "journal", reserve_bytes=0)) as journal:
        assert kept(journal) == [b"%d" % number for number in range(0, COUNT, 100)]
