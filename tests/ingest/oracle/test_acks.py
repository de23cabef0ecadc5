"""What each kind of acknowledgement promises, at the moment of a kill."""

from dataclasses import replace

import pytest

from tests.processes import until

from .ledger import Fate, Verdict
from .scenario import kill

pytest.importorskip("headrace._core", reason="the compiled core is not installed")


def test_what_is_acknowledged_as_an_object_has_landed_by_then(scenario):
    with scenario.posted() as clients:
        for _ in range(3):
            with scenario.life("--ack", "object") as service:
                clients.more(10)
                kill(service)
    # What nobody was told of yet may have landed in part by now.
    assert replace(scenario.verdict(), divided=[]) == Verdict()
    scenario.settle()
    assert scenario.verdict() == Verdict()


def test_what_is_acknowledged_in_memory_is_lost_by_a_kill_only_while_it_is_not_written(scenario):
    with scenario.life("--ack", "memory") as service:
        with scenario.posted() as clients:
            clients.more(30)
        written = scenario.ledger.collections[:]
        payloads = sum(len(collection.payloads) for collection in written if collection.fate is Fate.ACCEPTED)
        until(lambda: service.status()["accepted"] == payloads, what="written payloads")
        with scenario.posted() as clients:
            clients.more(10)
            kill(service)
    scenario.settle()
    verdict = scenario.verdict()
    assert all(number >= len(written) for number in verdict.missing)
    assert verdict == Verdict(missing=verdict.missing)


def test_what_is_acknowledged_in_memory_survives_a_stop(scenario):
    with scenario.life("--ack", "memory") as service, scenario.posted() as clients:
        clients.more(30)
        assert service.stop() == 0
    assert scenario.ledger.count(Fate.ACCEPTED) >= 30
    scenario.settle()
    assert scenario.verdict() == Verdict()
