"""Payloads that were refused for good."""

from dataclasses import replace

import pytest

from headrace.errors import OperationError
from headrace.ingest.deadletters import DeadLetters, Replayed
from headrace.sinks import Batch, Rejected, Run, Runs, Transient
from headrace.sinks.memory import MemorySink

RUNS = Runs((Run((3, 4, 9), b'{"id":3}\n{"id":4}\n{"id":9}\n'), Run((10,), b"[]\n")))
BATCH = Batch("web-1", "orders", 490_000, RUNS)


@pytest.fixture
def letters(tmp_path):
    return DeadLetters(tmp_path / "dead")


def test_there_are_none_at_first(letters):
    assert len(letters) == 0
    assert list(letters) == []


def test_payloads_are_kept_as_they_came_with_the_reason(letters):
    letters.add(BATCH, None, "too large")
    (letter,) = letters
    assert letter.reason == "too large"
    assert list(letter.batch.payloads()) == list(BATCH.payloads())
    assert (letter.batch.node, letter.batch.stream, letter.batch.hour) == ("web-1", "orders", 490_000)


def test_only_what_was_refused_is_kept(letters):
    letters.add(BATCH, frozenset({4, 10}), "bad payload")
    (letter,) = letters
    assert list(letter.batch.payloads()) == [(4, b'{"id":4}'), (10, b"[]")]


def test_the_same_batch_again_is_no_second_letter(letters):
    letters.add(BATCH, None, "too large")
    letters.add(BATCH, frozenset({4}), "bad payload")
    assert [letter.reason for letter in letters] == ["bad payload"]


def test_what_a_disk_left_of_a_batch_does_not_take_the_place_of_the_whole(letters):
    letters.add(BATCH, None, "too large")
    left = Runs((Run((3, 10), b'{"id":3}\n[]\n'),), missing=2)
    letters.add(replace(BATCH, content=left), None, "too large")
    (letter,) = letters
    assert list(letter.batch.payloads()) == list(BATCH.payloads())


def test_the_folder_is_its_owners_alone(letters, tmp_path):
    letters.add(BATCH, None, "too large")
    (path,) = (tmp_path / "dead").iterdir()
    assert path.parent.stat().st_mode & 0o077 == 0
    assert path.stat().st_mode & 0o077 == 0


async def test_a_replay_lands_them(letters):
    sink = MemorySink()
    letters.add(BATCH, None, "too large")
    assert await letters.replay(sink) == Replayed(landed=4, refused=0)
    assert sorted(sink.payloads) == [3, 4, 9, 10]
    assert len(letters) == 0


async def test_a_replay_keeps_what_is_refused_again(letters):
    sink = MemorySink()
    letters.add(BATCH, None, "too large")
    sink.failures = [Rejected("still bad", numbers=[9])]
    assert await letters.replay(sink) == Replayed(landed=3, refused=1)
    (letter,) = letters
    assert (letter.reason, list(letter.batch.payloads())) == ("still bad", [(9, b'{"id":9}')])
    assert await letters.replay(sink) == Replayed(landed=1, refused=0)


async def test_a_replay_that_is_interrupted_leaves_the_rest(letters):
    sink = MemorySink()
    letters.add(BATCH, None, "too large")
    sink.failures = [Transient("away")]
    with pytest.raises(Transient):
        await letters.replay(sink)
    assert len(letters) == 1


def test_a_file_of_somebody_else_is_named(letters, tmp_path):
    letters.add(BATCH, None, "too large")
    (path,) = (tmp_path / "dead").iterdir()
    path.write_bytes(b"hello")
    with pytest.raises(OperationError, match=r"dead\.ndjson is not a file of dead letters; move it elsewhere"):
        list(letters)
