"""From the journal to the sink."""

import asyncio
import json
import logging

import pytest

from headrace.errors import OperationError
from headrace.ingest.batches import HOUR, Limits
from headrace.ingest.landing import Plan
from headrace.sinks import Held, Rejected, Transient
from headrace.sinks.memory import MemorySink

from .fake_journal import FakeJournal
from .landing_stage import QUICK, stage
from .waiting import until


def payloads(first: int, last: int) -> list[bytes]:
    return [b'{"id":%d}' % number for number in range(first, last + 1)]


@pytest.fixture
def journal():
    return FakeJournal()


@pytest.fixture
def sink():
    return MemorySink()


async def test_what_the_journal_holds_and_gets_lands(journal, sink, tmp_path):
    journal.append(*payloads(1, 25))
    async with stage(journal, sink, tmp_path):
        await until(lambda: len(sink.payloads) == 25)
        journal.append(*payloads(26, 30))
        await until(lambda: journal.empty)
    assert [sink.payloads[number] for number in range(1, 31)] == payloads(1, 30)
    assert sum(batch.count for batch in sink.batches) == 30


async def test_batches_carry_their_stream_and_their_hour(journal, sink, tmp_path):
    journal.append(b"1", b"2")
    journal.append(b"3", stream=5, time_ms=490_001 * HOUR + 1)
    journal.append(b"4", stream=6)
    plan = Plan("web-1", limits=QUICK, streams={5: "orders"})
    async with stage(journal, sink, tmp_path, plan):
        await until(lambda: journal.empty)
    batches = {batch.first: batch for batch in sink.batches}
    assert [(batches[n].node, batches[n].stream, batches[n].hour) for n in (1, 3, 4)] == [
        ("web-1", "", 490_000),
        ("web-1", "orders", 490_001),
        ("web-1", "stream-6", 490_000),
    ]


async def test_a_range_that_was_sealed_before_lands_first_and_as_it_was_sealed(journal, sink, tmp_path):
    journal.append(*payloads(1, 3))
    old = Plan("old-name", form="parquet", limits=QUICK, streams={0: "old"})
    sink.failures = [Transient("away")] * 1000
    async with stage(journal, sink, tmp_path, old):
        await until(journal.sealed)
    sink.failures.clear()
    journal.append(*payloads(4, 5))
    async with stage(journal, sink, tmp_path, Plan("new-name", limits=QUICK, workers=1)):
        await until(lambda: journal.empty)
    first, second = sink.batches
    assert (first.node, first.stream, first.form, first.first, first.last) == ("old-name", "old", "parquet", 1, 3)
    assert (second.node, second.form, second.first, second.last) == ("new-name", "ndjson.gz", 4, 5)


async def test_a_sink_that_is_away_gets_it_later(journal, sink, tmp_path):
    journal.append(*payloads(1, 5))
    sink.failures = [Transient("away"), Transient("busy", slow_down=True), Held("denied")]
    async with stage(journal, sink, tmp_path) as running:
        await until(lambda: journal.empty)
        assert running.tally.failures == {"transient": 2, "held": 1}
        assert running.tally.held == ""
    assert len(sink.payloads) == 5


async def test_a_sink_that_must_be_mended_is_told_of_and_tried_by_one_worker(journal, tmp_path, caplog):
    class Mendable(MemorySink):
        denied, inside, most = True, 0, 0

        async def put(self, batch):
            self.inside += 1
            self.most = max(self.most, self.inside)
            await asyncio.sleep(0.001)
            self.inside -= 1
            if self.denied:
                raise Held("the key was revoked", hint="give another")
            return await super().put(batch)

    sink = Mendable()
    journal.append(*payloads(1, 200))
    async with stage(journal, sink, tmp_path) as running:
        await until(lambda: running.tally.failures["held"] >= 8)
        assert running.tally.held == "the key was revoked; give another"
        sink.most = 0
        await until(lambda: running.tally.failures["held"] >= 14)
        assert sink.most == 1
        sink.denied = False
        await until(lambda: journal.empty)
        assert running.tally.held == ""
    assert len(sink.payloads) == 200
    assert caplog.messages.count("nothing lands: the key was revoked; give another") == 1
    assert "landing goes on" in caplog.messages


async def test_an_error_that_nobody_thought_of_loses_nothing(journal, tmp_path, caplog):
    class Buggy(MemorySink):
        calls = 0

        async def put(self, batch):
            self.calls += 1
            if self.calls < 3:
                raise ZeroDivisionError("of the sink's own")
            return await super().put(batch)

    sink = Buggy()
    journal.append(*payloads(1, 5))
    with caplog.at_level(logging.CRITICAL):
        async with stage(journal, sink, tmp_path):
            await until(lambda: journal.empty)
    assert len(sink.payloads) == 5


async def test_a_batch_that_is_refused_goes_to_the_dead_letters_and_the_others_land(journal, sink, tmp_path):
    journal.append(*payloads(1, 10))
    sink.failures = [Rejected("too large")]
    async with stage(journal, sink, tmp_path) as running:
        await until(lambda: journal.empty)
        journal.append(*payloads(11, 15))
        await until(lambda: journal.empty)
        (letter,) = running.letters
        assert letter.reason == "too large"
        assert [body for _, body in letter.batch.payloads()] == payloads(1, 10)
        assert running.tally.set_aside == 10
    assert sorted(sink.payloads) == [11, 12, 13, 14, 15]


async def test_of_a_batch_only_what_is_refused_goes_to_the_dead_letters(journal, tmp_path):
    class Picky(MemorySink):
        async def put(self, batch):
            receipt = await super().put(batch)
            raise Rejected("bad payload", numbers=[3, 4], receipt=receipt)

    journal.append(*payloads(1, 5))
    async with stage(journal, Picky(), tmp_path) as running:
        await until(lambda: journal.empty)
        (letter,) = running.letters
        assert list(letter.batch.payloads()) == [(3, b'{"id":3}'), (4, b'{"id":4}')]
        assert [landed.count for landed in running.manifest.where(1)] == [5]


async def test_the_manifest_knows_where_each_payload_is(journal, sink, tmp_path):
    journal.append(*payloads(1, 12))
    async with stage(journal, sink, tmp_path) as running:
        await until(lambda: journal.empty)
        (landed,) = running.manifest.where(7)
        assert landed.first <= 7 <= landed.last
        assert landed.place == f"memory://node-{landed.first}-{landed.last}"
        assert running.manifest.where(13) == []


async def test_a_stop_lands_all_that_was_accepted(journal, sink, tmp_path):
    patient = Plan("node", limits=Limits(age=3600.0))
    async with stage(journal, sink, tmp_path, patient) as running:
        journal.append(*payloads(1, 25))
        assert await running.landing.stop(30.0)
        assert journal.empty
        assert running.tally.completed == {"stop": 1}
    assert len(sink.payloads) == 25


async def test_a_stop_that_takes_too_long_leaves_the_rest_in_the_journal(journal, sink, tmp_path):
    sink.failures = [Transient("away")] * 1_000_000
    async with stage(journal, sink, tmp_path) as running:
        journal.append(*payloads(1, 25))
        assert not await running.landing.stop(0.3)
    sink.failures.clear()
    async with stage(journal, sink, tmp_path):
        await until(lambda: journal.empty)
    assert [sink.payloads[number] for number in range(1, 26)] == payloads(1, 25)


async def test_the_journals_disk_may_fail_for_a_while(journal, sink, tmp_path, monkeypatch):
    monkeypatch.setattr("headrace.ingest.insist.AGAIN", 0.01)
    journal.append(*payloads(1, 5))
    journal.errors = [OSError(5, "Input/output error"), OperationError("cannot seal")] * 3
    async with stage(journal, sink, tmp_path):
        await until(lambda: journal.empty)
    assert len(sink.payloads) == 5


async def test_what_a_disk_lost_after_the_seal_is_told_and_the_rest_lands(journal, sink, tmp_path, caplog):
    journal.append(*payloads(1, 20))
    sink.failures = [Transient("away")] * 1000
    async with stage(journal, sink, tmp_path):
        await until(lambda: len(journal.sealed()) == 2)
    (_, first), (_, second) = journal.disk.seals.values()
    first.remove(3)
    second.clear()
    sink.failures.clear()
    async with stage(journal, sink, tmp_path) as running:
        await until(lambda: journal.empty)
        assert running.tally.lost == 11
        assert [landed.count for landed in running.manifest.where(5)] == [9]
        assert len(running.letters) == 0
    assert sorted(sink.payloads) == [1, 2, *range(4, 11)]
    assert "the journal's disk lost 1 of 10 payloads, numbers 1 to 10" in caplog.messages
    assert "the journal's disk lost 10 of 10 payloads, numbers 11 to 20" in caplog.messages


async def test_workers_come_and_go_while_it_lands(journal, tmp_path):
    class Slow(MemorySink):
        inside, most = 0, 0

        async def put(self, batch):
            self.inside += 1
            self.most = max(self.most, self.inside)
            await asyncio.sleep(0.002)
            self.inside -= 1
            return await super().put(batch)

    sink = Slow()
    async with stage(journal, sink, tmp_path, Plan("node", limits=QUICK, workers=1)) as running:
        for step, workers in enumerate((1, 4, 2, 8, 1), 1):
            running.landing.resize(workers)
            journal.append(*payloads(1, 200))
            await until(lambda step=step: len(sink.payloads) == step * 200)
    assert sum(batch.count for batch in sink.batches) == 1000
    assert 1 < sink.most <= 8


async def test_the_age_of_the_oldest_payload_is_known(journal, sink, tmp_path):
    import time

    async with stage(journal, sink, tmp_path, Plan("node", limits=Limits(age=3600.0))) as running:
        assert running.landing.oldest() == 0.0
        journal.append(b"1", time_ms=int(time.time() * 1000) - 90_000)
        await until(running.landing.oldest)
        assert 85 < running.landing.oldest() < 150


async def test_what_is_sealed_says_all_that_a_key_derives_from(journal, sink, tmp_path):
    sink.failures = [Transient("away")] * 1000
    journal.append(b"1", stream=3)
    async with stage(journal, sink, tmp_path, Plan("web-1", "ndjson.zst", {3: "orders"}, QUICK, level=3)):
        await until(journal.sealed)
        assert json.loads(journal.sealed()[0].note) == {
            "node": "web-1",
            "stream": "orders",
            "time": 490_000 * HOUR,
            "form": "ndjson.zst",
            "level": 3,
        }


async def test_single_objects_are_sealed_in_smaller_batches():
    assert Plan("node", "each").sized().count == 1000
    assert Plan("node").sized().count == Limits().count


async def test_an_error_of_its_own_is_not_kept_quiet(journal, sink, tmp_path):
    journal.append(b"1")
    journal.errors = [ZeroDivisionError("a mistake")]
    with pytest.raises(ZeroDivisionError):
        async with stage(journal, sink, tmp_path) as running:
            await running.landing.wait()
