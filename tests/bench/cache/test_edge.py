import pytest

from headrace.bench.edge import EDGE, cost
from headrace.bench.peer import HEADRACE
from headrace.bench.rig import Effort, rig
from headrace.bench.tools import H2LOAD, NGINX, WRK

BRIEF = Effort(seconds=1, rounds=1)


ROWS = {scenario.name: scenario for scenario in EDGE}
CONTESTANTS = [(name, contestant) for name in ("edge-hit", "edge-hit-page") for contestant in ROWS[name].contestants]


@pytest.mark.parametrize(
    "contestant", [contestant for _, contestant in CONTESTANTS], ids=[f"{row}-{who.name}" for row, who in CONTESTANTS]
)
def test_each_contestant_answers_from_what_it_has_stored(need, contestant):
    need(NGINX, *contestant.tools)
    with rig(BRIEF) as stand:
        sample = contestant.measure(stand)
    assert sample.valid, sample
    assert sample.value > 0


def test_a_peer_that_stores_nothing_has_no_figure(need):
    need(NGINX, WRK, H2LOAD)
    with rig(BRIEF) as stand:
        sample = cost(HEADRACE, stand, kind="1024", tls=False)
    assert not sample.valid
    assert "the backend was asked for 10000 of 10000 objects, and for" in sample.failure
