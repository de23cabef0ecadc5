"""Leases, probes, drains: what the registry makes of what happens."""

import pytest

from headrace.balancer.member import Offer, State
from headrace.balancer.registry import GONE_REMEMBERED, Registry, Rules

APP = Offer("127.0.0.1:3000")


def up(registry: Registry, offer: Offer = APP) -> str:
    member = registry.register(offer)
    registry.probed(member.id, ok=True)
    return member.id


def state(registry: Registry, member_id: str) -> State:
    return registry.get(member_id).state


def live_for(registry, time, seconds, *offers, step=1.0):
    """Time passes while these renew their leases each second."""
    for _ in range(int(seconds / step)):
        time.pass_(step)
        for offer in offers:
            registry.register(offer)
        registry.tick()


def test_a_registered_server_joins_and_is_up_after_its_first_good_probe(registry):
    member = registry.register(APP)
    assert member.state is State.JOINING
    assert registry.probed(member.id, ok=True).state is State.UP


def test_a_joining_server_stays_joining_while_its_probes_fail_and_says_why(registry):
    member = registry.register(APP)
    for _ in range(10):
        member = registry.probed(member.id, ok=False, detail="connection refused")
    assert member.state is State.JOINING
    assert "connection refused" in member.reason


def test_an_up_server_goes_down_at_the_third_bad_probe_in_a_row(registry):
    server = up(registry)
    for ok in (False, False, True, False, False):
        assert registry.probed(server, ok=ok, detail="503").state is State.UP
    member = registry.probed(server, ok=False, detail="503")
    assert member.state is State.DOWN
    assert member.reason == "3 bad probes in a row: 503"


def test_a_down_server_comes_back_at_the_second_good_probe_in_a_row(registry):
    server = up(registry)
    for _ in range(3):
        registry.probed(server, ok=False)
    for ok in (True, False, True):
        assert registry.probed(server, ok=ok).state is State.DOWN
    assert registry.probed(server, ok=True).state is State.UP


def test_registering_again_renews_the_lease_and_keeps_the_id(registry, time):
    server = up(registry)
    live_for(registry, time, 60, APP)
    assert registry.register(APP).id == server
    assert state(registry, server) is State.UP
    assert len(registry.members()) == 1


def test_registering_again_takes_the_new_weight_without_a_new_probe(registry):
    server = up(registry)
    before = registry.revision
    member = registry.register(Offer(APP.address, weight=5))
    assert (member.id, member.state, member.offer.weight) == (server, State.UP, 5)
    assert registry.revision > before


def test_a_renewal_that_says_nothing_new_changes_nothing_that_matters_for_routing(registry):
    up(registry)
    before = registry.revision
    registry.register(APP)
    assert registry.revision == before
    registry.take_changes()
    registry.register(APP)
    assert registry.take_changes() == []


def test_a_lease_that_is_not_renewed_ends_and_the_server_drains(registry, time):
    server = up(registry)
    live_for(registry, time, 9)
    assert state(registry, server) is State.UP
    live_for(registry, time, 2)
    assert state(registry, server) is State.DRAINING
    assert registry.get(server).reason == "its lease was not renewed for 10 s"
    registry.emptied(server)
    assert state(registry, server) is State.GONE


def test_the_reason_of_a_server_that_died_tells_of_its_probes_too(registry, time):
    server = up(registry)
    for _ in range(3):
        registry.probed(server, ok=False, detail="connection refused")
    live_for(registry, time, 11)
    registry.emptied(server)
    assert "connection refused" in registry.get(server).reason
    assert "not renewed" in registry.get(server).reason


def test_a_pause_of_the_balancer_ends_no_lease(registry, time):
    server = up(registry)
    live_for(registry, time, 5, APP)
    time.pass_(3600)
    registry.tick()
    assert state(registry, server) is State.UP
    live_for(registry, time, 11)
    assert state(registry, server) is State.DRAINING


def test_a_static_server_has_no_lease(registry, time):
    server = up(registry, Offer("127.0.0.1:3000", static=True))
    live_for(registry, time, 100)
    assert state(registry, server) is State.UP


def test_a_leaving_server_is_gone_when_nothing_is_in_flight(registry):
    server = up(registry)
    registry.leave(server, "it unregistered")
    assert state(registry, server) is State.DRAINING
    registry.emptied(server)
    assert state(registry, server) is State.GONE
    assert registry.get(server).reason == "it unregistered; nothing is in flight any more"


def test_a_drain_ends_at_its_deadline_and_what_is_left_is_to_be_cut(registry, time):
    server = up(registry)
    registry.leave(server, "it unregistered")
    live_for(registry, time, 29)
    assert state(registry, server) is State.DRAINING
    time.pass_(1.5)
    assert [member.id for member in registry.tick()] == [server]
    assert state(registry, server) is State.GONE
    assert registry.tick() == []


@pytest.mark.parametrize(("stays", "drains"), [(5.0, 5.0), (60.0, 30.0), (None, 30.0)])
def test_a_server_drains_for_as_long_as_it_stays_and_no_longer_than_the_rules_say(registry, time, stays, drains):
    server = up(registry)
    assert registry.leave(server, "it unregistered", stays=stays).deadline == time.now + drains


@pytest.mark.parametrize("ok", [True, False])
def test_a_draining_server_is_not_probed_and_a_late_answer_means_nothing(registry, ok):
    server = up(registry)
    registry.leave(server, "it unregistered")
    assert not registry.get(server).probed
    for _ in range(5):
        assert registry.probed(server, ok=ok) is None
    assert state(registry, server) is State.DRAINING


def test_a_server_that_comes_back_while_it_drains_is_a_new_one(registry):
    old = up(registry)
    registry.leave(old, "it unregistered")
    new = up(registry)
    assert new != old
    assert state(registry, old) is State.DRAINING
    registry.emptied(old)
    assert state(registry, new) is State.UP
    assert registry.at(APP.address).id == new


def test_unregistering_twice_changes_neither_reason_nor_deadline(registry, time):
    server = up(registry)
    first = registry.leave(server, "it unregistered")
    time.pass_(5)
    assert registry.leave(server, "again") == first


def test_a_server_drained_by_the_operator_stays_out_while_it_renews_its_lease(registry, time):
    server = up(registry)
    registry.leave(server, "the operator drains it", held=True)
    registry.emptied(server)
    live_for(registry, time, 100, APP)
    assert state(registry, server) is State.DRAINING
    assert len(registry.members()) == 1


def test_a_server_drained_by_the_operator_is_gone_once_its_lease_ends(registry, time):
    server = up(registry)
    registry.leave(server, "the operator drains it", held=True)
    live_for(registry, time, 11)
    registry.emptied(server)
    assert state(registry, server) is State.GONE


def test_a_server_drained_by_the_operator_may_still_leave_by_itself(registry):
    server = up(registry)
    registry.leave(server, "the operator drains it", held=True)
    registry.leave(server, "it unregistered")
    registry.emptied(server)
    assert state(registry, server) is State.GONE


def test_a_server_that_leaves_by_itself_cannot_be_kept_by_the_operator(registry):
    server = up(registry)
    leaving = registry.leave(server, "it unregistered")
    assert registry.leave(server, "the operator drains it", held=True) == leaving


def test_an_operators_drain_cuts_at_the_deadline_and_holds_on(registry, time):
    server = up(registry)
    registry.leave(server, "the operator drains it", held=True)
    overdue = []
    for _ in range(40):
        time.pass_(1)
        registry.register(APP)
        overdue += [member.id for member in registry.tick()]
    assert overdue == [server]
    assert state(registry, server) is State.DRAINING


def test_an_undrained_server_joins_anew_under_its_id(registry):
    server = up(registry)
    registry.leave(server, "the operator drains it", held=True)
    assert registry.let_in(server).state is State.JOINING
    assert registry.probed(server, ok=True).state is State.UP
    assert registry.register(APP).id == server


def test_only_the_operators_drain_can_be_undone(registry):
    server = up(registry)
    registry.leave(server, "it unregistered")
    assert registry.let_in(server).state is State.DRAINING


def test_a_removed_server_is_gone_at_once_and_comes_back_as_a_new_one(registry):
    server = up(registry)
    assert registry.remove(server).state is State.GONE
    assert registry.register(APP).id != server


def test_nothing_brings_back_a_server_that_is_gone(registry):
    server = up(registry)
    gone = registry.remove(server)
    registry.probed(server, ok=True)
    registry.leave(server, "again", held=True)
    registry.let_in(server)
    registry.emptied(server)
    assert registry.get(server) == gone


def test_who_left_lately_is_remembered_with_the_reason_and_then_forgotten(registry, time):
    server = up(registry)
    registry.remove(server)
    live_for(registry, time, 299)
    assert registry.get(server).reason == "the operator removed it"
    live_for(registry, time, 2)
    assert registry.get(server) is None


def test_memory_of_who_left_is_bounded(registry):
    for port in range(1, 3 * GONE_REMEMBERED):
        registry.remove(registry.register(Offer(f"127.0.0.1:{port}")).id)
        registry.tick()
    assert len(registry.members()) == GONE_REMEMBERED


def test_restored_servers_are_picked_at_once_and_kept_for_the_grace(registry, time):
    server = up(registry)
    saved = registry.members()
    again = Registry(Rules(grace=30), time.clock)
    again.restore(saved, registry.next_number)
    assert state(again, server) is State.UP
    live_for(again, time, 29)
    assert state(again, server) is State.UP
    live_for(again, time, 2)
    assert state(again, server) is State.DRAINING


def test_a_restored_server_that_renews_goes_on_as_before_under_its_id(registry, time):
    server = up(registry)
    again = Registry(Rules(), time.clock)
    again.restore(registry.members(), registry.next_number)
    live_for(again, time, 60, APP)
    assert again.at(APP.address).id == server
    assert state(again, server) is State.UP


def test_a_restored_server_is_out_at_its_first_bad_probe(registry, time):
    server = up(registry)
    again = Registry(Rules(), time.clock)
    again.restore(registry.members(), registry.next_number)
    assert again.probed(server, ok=False, detail="connection refused").state is State.DOWN


def test_ids_are_not_used_again_after_a_restart(registry, time):
    up(registry)
    registry.remove(up(registry, Offer("127.0.0.1:3001")))
    again = Registry(Rules(), time.clock)
    again.restore([], registry.next_number)
    assert again.register(APP).id == "s3"


def test_every_change_of_state_is_told_once_and_in_order(registry):
    server = up(registry)
    registry.leave(server, "it unregistered")
    registry.emptied(server)
    states = [member.state for member in registry.take_changes()]
    assert states == [State.JOINING, State.UP, State.DRAINING, State.GONE]
    assert registry.take_changes() == []
