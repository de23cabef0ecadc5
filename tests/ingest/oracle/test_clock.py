"""A wall clock that is set back, and forth, while the service works: only the hour in a key is the clock's."""

import pytest

from .ledger import Verdict
from .scenario import kill

pytest.importorskip("headrace._core", reason="the compiled core is not installed")


def test_a_clock_that_is_set_changes_no_more_than_the_hour(scenario, machine):
    with scenario.posted() as clients:
        for hours in (0, -3, 2, -20, 0):
            with scenario.life(environ=machine.environment) as service:
                clients.more(5)
                machine.set_clock(hours * 3600)
                clients.more(10)
                kill(service)
    machine.set_clock(0)
    scenario.settle()
    assert scenario.verdict() == Verdict()
    hours = {path.parent.name for path in (scenario.folder / "landed").rglob("*.gz")}
    assert len(hours) > 2
