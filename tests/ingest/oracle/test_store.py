"""An object store that is away, slow, busy, confused or closed: what was accepted waits, and lands once.

Each fault lasts until the service has met it several times, and a stop or a kill may come amid it.
"""

import signal

import pytest

from tests.processes import until

from . import store as faults
from .ledger import Verdict
from .scenario import Scenario, kill
from .shelf import dead_letters
from .store import BUCKET, Handler, Store

pytest.importorskip("headrace._core", reason="the compiled core is not installed")

FAULTS = [
    faults.slow,
    faults.throttling,
    faults.failing,
    faults.revoked,
    faults.hanging_up,
    faults.losing_answers,
    faults.halving_answers,
    faults.refusing_what_it_stored,
]

# What expires is obstore's business.
UPLOADERS = {"core": {}, "obstore": {"AWS_SESSION_TOKEN": "token"}}


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def scenario(tmp_path, store):
    return Scenario(tmp_path, to=f"s3://{BUCKET}/raw", environ=store.environment)


class Met:
    """A fault that counts how often it was met."""

    def __init__(self, fault):
        self.times = 0
        self._fault = fault

    def __call__(self, request):
        self.times += 1
        self._fault(request)


@pytest.fixture(params=FAULTS, ids=lambda fault: fault.__name__)
def fault(request):
    return Met(request.param)


def judge(scenario, store):
    assert scenario.verdict(store.objects) == Verdict()
    assert store.changed == []


@pytest.mark.parametrize("objects", ["batch", "each"])
def test_a_fault_delays_and_when_it_is_over_all_has_landed_once(scenario, store, fault, objects):
    scenario.environ["HEADRACE_INGEST_OBJECTS"] = objects
    with store.serving(), scenario.life() as service:
        with scenario.posted() as clients:
            clients.more(10)
            store.fault = fault
            until(lambda: fault.times >= 3, what="fault")
            clients.more(10)
            store.fault = Handler.keep
            clients.more(10)
        service.until_landed()
        assert service.stop() == 0
    judge(scenario, store)


def test_a_stop_amid_a_fault_loses_nothing(scenario, store, fault):
    store.fault = fault
    with store.serving():
        with scenario.posted() as clients, scenario.life("--drain", "200ms") as service:
            clients.more(10)
            until(lambda: fault.times >= 2, what="fault")
            assert service.stop(signal.SIGTERM) == 0
        store.fault = Handler.keep
        scenario.settle()
    judge(scenario, store)


def test_a_kill_amid_a_fault_loses_nothing(scenario, store, fault):
    store.fault = fault
    with store.serving():
        with scenario.posted() as clients, scenario.life() as service:
            clients.more(10)
            until(lambda: fault.times >= 2, what="fault")
            kill(service)
        store.fault = Handler.keep
        scenario.settle()
    judge(scenario, store)


def test_a_store_that_comes_and_goes_delays_and_loses_nothing(scenario, store):
    with scenario.posted() as clients, scenario.life() as service:
        for _ in range(3):
            clients.more(10)
            with store.serving():
                met = store.puts
                until(lambda met=met: store.puts >= met + 3, what="upload")
        kill(service)
    with store.serving():
        scenario.settle()
    judge(scenario, store)


@pytest.mark.parametrize("uploader", UPLOADERS)
def test_payloads_that_each_become_an_object_survive_lost_answers_and_kills(scenario, store, uploader):
    scenario.environ.update(HEADRACE_INGEST_OBJECTS="each", **UPLOADERS[uploader])
    with store.serving():
        with scenario.posted() as clients:
            for fault in (Met(faults.losing_answers), Met(faults.failing), Met(Handler.keep)):
                store.fault = fault
                with scenario.life() as service:
                    clients.more(5)
                    until(lambda fault=fault: fault.times >= 10, what="uploads")
                    kill(service)
        store.fault = Handler.keep
        scenario.settle()
    judge(scenario, store)


@pytest.mark.parametrize(("objects", "uploader"), [("batch", "obstore"), ("each", "core"), ("each", "obstore")])
def test_what_a_store_never_takes_is_set_aside_and_lands_once_it_is_given_back(scenario, store, objects, uploader):
    scenario.environ.update(HEADRACE_INGEST_OBJECTS=objects, **UPLOADERS[uploader])
    store.fault = faults.picky
    with store.serving():
        with scenario.life() as service:
            with scenario.posted() as clients:
                clients.more(10)
                until(lambda: service.status()["set_aside"] >= 10, what="payloads that are set aside")
                clients.more(10)
            service.until_landed()
            assert service.stop() == 0
        judge(scenario, store)
        store.fault = Handler.keep
        give_back(scenario)
    judge(scenario, store)


def test_a_kill_amid_refusals_loses_nothing(scenario, store):
    with store.serving():
        store.fault = faults.picky
        with scenario.posted() as clients:
            for _ in range(3):
                with scenario.life() as service:
                    clients.more(5)
                    until(
                        lambda service=service: service.status()["set_aside"] >= 5, what="payloads that are set aside"
                    )
                    kill(service)
        store.fault = Handler.keep
        give_back(scenario)
    judge(scenario, store)


def give_back(scenario):
    """One more life, in which all dead letters are given to the store again: none is left."""
    with scenario.life() as service:
        service.until_landed()
        assert service.admin.post("/replay").raise_for_status().json()["refused"] == 0
        assert service.stop() == 0
    assert list(dead_letters(scenario.state)) == []
