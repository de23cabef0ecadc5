"""Bytes of the journal that a disk or a hand has changed between a kill and a start.

A collection is one record: what damage takes is whole collections, as few as there are changed places. It is told, and
all others land, once.
"""

from random import Random

import pytest

from .ledger import Verdict
from .scenario import kill

pytest.importorskip("headrace._core", reason="the compiled core is not installed")

SEEDS = range(4)


def collect(scenario):
    """A journal with several segments, nothing of which has landed; no client is left in doubt."""
    with scenario.life("--batch-age", "1h", environ={"HEADRACE_INGEST_BATCH_COUNT": "100000"}) as service:
        with scenario.posted() as clients:
            clients.more(300)
        kill(service)
    segments = sorted((scenario.state / "ingest" / "journal").glob("*.journal"))
    assert segments
    return segments


def flip(path, place):
    with path.open("r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ 0x40]))


def log(scenario):
    return (scenario.folder / "err").read_text()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_changed_byte_takes_one_collection_at_most_and_is_told(scenario, seed):
    random = Random(seed)
    path = random.choice(collect(scenario))
    flip(path, random.randrange(1024, len(path.read_bytes().rstrip(b"\0"))))
    scenario.settle()
    verdict = scenario.verdict()
    assert verdict == Verdict(missing=verdict.missing)
    assert len(verdict.missing) <= 1
    told = (f"the journal is damaged: {path.name}", "a write that was cut short")
    assert not verdict.missing or any(words in log(scenario) for words in told)


@pytest.mark.parametrize("place", [3, 600], ids=["first copy", "second copy"])
def test_a_changed_byte_in_a_header_takes_nothing(scenario, place):
    flip(collect(scenario)[0], place)
    scenario.settle()
    assert scenario.verdict() == Verdict()


def test_many_changed_bytes_take_no_more_collections_than_they_are(scenario):
    random = Random(11)
    for path in collect(scenario):
        written = len(path.read_bytes().rstrip(b"\0"))
        for _ in range(5):
            flip(path, random.randrange(1024, written))
    scenario.settle()
    verdict = scenario.verdict()
    assert verdict == Verdict(missing=verdict.missing)
    assert 0 < len(verdict.missing) <= 5 * 8
    assert "the journal is damaged" in log(scenario)


def test_a_torn_tail_takes_the_last_collections_only(scenario):
    path = collect(scenario)[-1]
    written = path.read_bytes().rstrip(b"\0")
    path.write_bytes(written[: len(written) - 10])
    scenario.settle()
    verdict = scenario.verdict()
    assert verdict == Verdict(missing=verdict.missing)
    assert len(verdict.missing) <= 1
    assert "a write that was cut short" in log(scenario)


def test_a_changed_byte_in_the_notes_of_what_landed_lands_nothing_twice(scenario):
    for _ in range(2):
        with scenario.life("--batch-age", "5ms", environ={"HEADRACE_INGEST_BATCH_COUNT": "1000"}) as service:
            for _ in range(2):
                with scenario.posted() as clients:
                    clients.more(5)
                service.until_landed()
            kill(service)
    flip(scenario.state / "ingest" / "journal" / "landing.notes", 1054)
    scenario.settle()
    assert scenario.verdict() == Verdict()
    assert "the journal is damaged: landing.notes" in log(scenario)
