"""When members are probed."""

import pytest

from headrace.balancer.heartbeat import Heartbeat
from headrace.balancer.member import Member, Offer, State


def member(state: State, member_id: str = "s1", **known) -> Member:
    return Member(member_id, Offer("127.0.0.1:3000"), state, "", 0.0, 0.0, None, **known)


@pytest.fixture
def asked():
    return []


@pytest.fixture
def heartbeat(time, asked):
    return Heartbeat(
        lambda server, _offer: asked.append((server, time.now)),
        interval=2.0,
        timeout=5.0,
        clock=time.clock,
        uniform=lambda _low, high: high,
    )


def test_a_new_member_is_probed_at_once(heartbeat, asked, time):
    heartbeat.watch(member(State.JOINING))
    heartbeat.beat()
    assert asked == [("s1", time.now)]


def test_one_probe_of_a_member_is_under_way_at_most(heartbeat, asked, time):
    heartbeat.watch(member(State.JOINING))
    for _ in range(40):
        heartbeat.beat()
        time.pass_(0.1)
    assert len(asked) == 1


def test_a_probe_whose_answer_is_lost_is_given_up(heartbeat, asked, time):
    heartbeat.watch(member(State.UP))
    heartbeat.beat()
    time.pass_(11)
    heartbeat.beat()
    assert len(asked) == 2


def test_joining_is_tried_again_soon_then_less_often_up_to_the_interval(heartbeat, time):
    joining = member(State.JOINING)
    heartbeat.watch(joining)
    pauses = []
    for _ in range(8):
        heartbeat.beat()
        heartbeat.answered(joining, ok=False)
        pauses.append(heartbeat.beat())
        time.pass_(pauses[-1])
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0])


def test_a_member_that_is_up_is_probed_once_an_interval_with_jitter(heartbeat, time):
    up = member(State.UP)
    heartbeat.watch(up)
    heartbeat.beat()
    heartbeat.answered(up, ok=True)
    assert heartbeat.beat() == pytest.approx(2.2)


def test_a_member_that_answers_again_is_asked_a_second_time_soon(heartbeat):
    heartbeat.watch(member(State.DOWN))
    heartbeat.beat()
    heartbeat.answered(member(State.DOWN, good=1), ok=True)
    assert heartbeat.beat() < 0.1


@pytest.mark.parametrize("state", [State.DRAINING, State.GONE])
def test_a_member_that_leaves_is_not_probed_any_more(heartbeat, asked, time, state):
    heartbeat.watch(member(State.UP))
    heartbeat.watch(member(state))
    time.pass_(60)
    heartbeat.beat()
    heartbeat.answered(member(state), ok=True)
    time.pass_(60)
    heartbeat.beat()
    assert asked == []


def test_a_member_let_in_again_is_probed_once_at_once(heartbeat, asked):
    for state in (State.UP, State.DRAINING, State.JOINING):
        heartbeat.watch(member(state))
    heartbeat.beat()
    assert len(asked) == 1


def test_many_members_are_probed_without_waiting_for_one_another(heartbeat, asked):
    for number in range(500):
        heartbeat.watch(member(State.JOINING, f"s{number}"))
    heartbeat.beat()
    assert len(asked) == 500
