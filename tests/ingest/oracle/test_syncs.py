"""Syncs that fail: nothing is acknowledged by them, what was accepted lands once, what was refused never."""

import pytest

from tests.processes import until

from .ledger import Verdict
from .scenario import kill

pytest.importorskip("headrace._core", reason="the compiled core is not installed")


def test_a_failing_sync_of_the_journal_refuses_until_the_next_start(scenario, machine):
    with scenario.posted() as clients, scenario.life(environ=machine.environment) as service:
        clients.more(10)
        with machine.failing("/journal"):
            clients.hear("journal_failed")
            until(lambda: "the journal is failed" in service.log(), what="word of it")
            assert service.admin.get("/readyz").status_code == 503
            kill(service)
    scenario.settle()
    assert scenario.verdict() == Verdict()


def test_a_sync_that_fails_for_a_moment_costs_a_segment(scenario, machine):
    with scenario.posted() as clients, scenario.life(environ=machine.environment) as service:
        for _ in range(3):
            clients.more(5)
            with clients.hearing("journal_failed"):
                machine.fail_once(".journal")
        clients.more(5)
        kill(service)
    scenario.settle()
    assert scenario.verdict() == Verdict()


@pytest.mark.parametrize("part", ["landing.notes", "manifest.sqlite", "/landed"])
def test_a_failing_sync_behind_the_acknowledgement_delays_the_landing(scenario, machine, part):
    with scenario.posted() as clients, scenario.life(environ=machine.environment) as service:
        clients.more(10)
        with machine.failing(part):
            until(lambda: "land" in service.log() and service.status()["queue"], what="word of it")
            clients.more(10)
        clients.leave()
        service.until_landed()
        assert service.stop() == 0
    assert scenario.verdict() == Verdict()
    scenario.settle()
    assert scenario.verdict() == Verdict()


@pytest.mark.parametrize("part", ["/journal", "landing.notes", "manifest.sqlite", "/landed"])
def test_a_kill_amid_failing_syncs_loses_nothing(scenario, machine, part):
    with scenario.posted() as clients, scenario.life(environ=machine.environment) as service:
        clients.more(10)
        with machine.failing(part):
            clients.hear("journal_failed" if part == "/journal" else "accepted")
            until(lambda: "cannot land" in service.log() or "nothing lands" in service.log(), what="word of it")
            kill(service)
    scenario.settle()
    assert scenario.verdict() == Verdict()


@pytest.mark.parametrize("part", ["/journal", "landing.notes", "manifest.sqlite", "/landed"])
def test_a_stop_amid_failing_syncs_ends_and_loses_nothing(scenario, machine, part):
    with scenario.posted() as clients, scenario.life("--drain", "200ms", environ=machine.environment) as service:
        clients.more(10)
        with machine.failing(part):
            clients.hear("journal_failed" if part == "/journal" else "accepted")
            assert service.stop() == 0
    scenario.settle()
    assert scenario.verdict() == Verdict()
