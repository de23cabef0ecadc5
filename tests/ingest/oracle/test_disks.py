"""Disks that are full or closed: below the journal collections are refused, below the target they wait."""

import pytest

from tests.processes import until

from .disk import small_disk
from .ledger import Verdict
from .scenario import kill

pytest.importorskip("headrace._core", reason="the compiled core is not installed")

RESERVES = ["1 KiB", "1 MiB"]  # the disk refuses by itself, or the service before it does
JOURNAL, ALL = "state/ingest/journal", "state/ingest"


@pytest.fixture(params=[JOURNAL, ALL], ids=["journal", "state"])
def disk(request, tmp_path):
    with small_disk(tmp_path / request.param) as disk:
        yield disk


@pytest.fixture
def target(tmp_path):
    with small_disk(tmp_path / "landed") as disk:
        yield disk


@pytest.mark.parametrize("reserve", RESERVES)
def test_a_full_disk_refuses_and_accepts_again_when_there_is_room(scenario, disk, reserve):
    scenario.environ["HEADRACE_INGEST_RESERVE"] = reserve
    with scenario.posted() as clients, scenario.life() as service:
        for _ in range(2):
            clients.more(10)
            with disk.full():
                clients.hear("disk_full")
                until(lambda: "the journal is disk full" in service.log(), what="word of it")
            clients.more(10)
        clients.leave()
        service.until_landed()
        assert service.stop() == 0
    assert scenario.verdict() == Verdict()


@pytest.mark.parametrize("reserve", RESERVES)
def test_a_kill_and_a_start_on_a_full_disk_lose_nothing(scenario, disk, reserve):
    scenario.environ["HEADRACE_INGEST_RESERVE"] = reserve
    with scenario.posted() as clients, scenario.life() as service:
        clients.more(10)
        with disk.full():
            clients.hear("disk_full")
            kill(service)
            with scenario.life() as reborn:
                clients.hear("disk_full")
                kill(reborn)
    scenario.settle()
    assert scenario.verdict() == Verdict()


def test_a_stop_on_a_full_disk_ends_and_loses_nothing(scenario, disk):
    with scenario.posted() as clients, scenario.life("--drain", "200ms") as service:
        clients.more(10)
        with disk.full():
            clients.hear("disk_full")
            assert service.stop() == 0
    scenario.settle()
    assert scenario.verdict() == Verdict()


def test_a_full_target_holds_what_is_accepted(scenario, target):
    with scenario.posted() as clients, scenario.life() as service:
        clients.more(10)
        with target.full():
            until(lambda: service.status()["held"], what="alarm")
            clients.more(10)
        clients.leave()
        service.until_landed()
        assert service.status()["held"] == ""
        assert service.stop() == 0
    assert scenario.verdict() == Verdict()


def test_a_kill_amid_a_full_target_loses_nothing(scenario, target):
    with scenario.posted() as clients, scenario.life() as service, target.full():
        until(lambda: service.status()["held"], what="alarm")
        clients.more(10)
        kill(service)
    scenario.settle()
    assert scenario.verdict() == Verdict()


def test_a_target_that_may_not_be_written_holds_what_is_accepted(scenario, target):
    with scenario.posted() as clients, scenario.life("--drain", "200ms") as service:
        clients.more(10)
        with target.closed():
            until(lambda: service.status()["held"], what="alarm")
            clients.more(10)
            assert service.stop() == 0
    scenario.settle()
    assert scenario.verdict() == Verdict()
