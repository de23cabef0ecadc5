"""Every event in every state."""

import pytest

from headrace.balancer.member import Event, State
from headrace.balancer.registry import after

J, U, D, L, G = State.JOINING, State.UP, State.DOWN, State.DRAINING, State.GONE

#                      in  JOINING  UP  DOWN  DRAINING  GONE
EXPECTED = {
    Event.PROBE_PASSED: (U, U, D, L, G),
    Event.PROBES_PASSED: (J, U, U, L, G),
    Event.PROBES_FAILED: (J, D, D, L, G),
    Event.LEAVE: (L, L, L, L, G),
    Event.LEASE_ENDED: (L, L, L, L, G),
    Event.EMPTY: (J, U, D, G, G),
    Event.DEADLINE: (J, U, D, G, G),
    Event.RETURN: (J, U, D, J, G),
    Event.REMOVE: (G, G, G, G, G),
}
CASES = [(before, event, EXPECTED[event][at]) for event in Event for at, before in enumerate((J, U, D, L, G))]


@pytest.mark.parametrize(("before", "event", "then"), CASES, ids=lambda value: value.name)
def test_each_event_in_each_state_leads_where_the_design_says(before, event, then):
    assert after(before, event) is then
