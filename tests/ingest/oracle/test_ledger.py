"""The judge itself: each way to break a promise is seen."""

import pytest

from .ledger import Ledger, Verdict


@pytest.fixture
def ledger():
    ledger = Ledger()
    accepted, unanswered, _refused = (ledger.collection(keyed=False) for _ in range(3))
    accepted.answered(200)
    unanswered.unanswered()
    return ledger


def payloads(ledger, *numbers):
    return [payload for number in numbers for payload in ledger.collections[number].payloads]


def test_accepted_once_and_unanswered_or_not_is_right(ledger):
    assert ledger.judge(payloads(ledger, 0)) == Verdict()
    assert ledger.judge(payloads(ledger, 0, 1)) == Verdict()


def test_what_is_missing_is_seen(ledger):
    assert ledger.judge([]) == Verdict(missing=[0])


def test_what_landed_twice_is_seen(ledger):
    assert ledger.judge(payloads(ledger, 0, 0)).repeated == [payload["id"] for payload in payloads(ledger, 0)]


def test_what_was_refused_and_landed_is_seen(ledger):
    assert ledger.judge(payloads(ledger, 0, 2)).refused == [payload["id"] for payload in payloads(ledger, 2)]


def test_what_was_refused_after_it_was_lost_on_the_way_may_land(ledger):
    ledger.collections[1].answered(503)
    assert ledger.judge(payloads(ledger, 0, 1)) == Verdict()


def test_what_was_never_sent_or_has_changed_is_seen(ledger):
    changed = [{**payload, "text": "other"} for payload in payloads(ledger, 0)]
    assert ledger.judge(changed).strange == [payload["id"] for payload in changed]
    assert ledger.judge([*payloads(ledger, 0), "stranger"]).strange == ["'stranger'"]


def test_a_collection_that_landed_in_part_is_seen():
    ledger = Ledger(seed=1)
    while len((collection := ledger.collection(keyed=True)).payloads) < 2:
        pass
    collection.answered(200)
    verdict = ledger.judge(collection.payloads[1:])
    assert (verdict.missing, verdict.divided) == ([collection.number], [collection.number])
