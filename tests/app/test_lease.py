import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.app.lease import LONGEST_RETRY, RENEW, SLOW_RETRY, Answer, Lease, after


def steps(*answers, jitter=1.0):
    lease, taken = Lease(), []
    for answer in answers:
        step = after(lease, answer, "", jitter)
        lease = step.lease
        taken.append(step)
    return taken


def test_a_lease_is_renewed_each_second():
    assert [step.delay for step in steps(Answer.TAKEN, Answer.TAKEN)] == [RENEW, RENEW]


def test_a_balancer_that_is_away_is_looked_for_soon_and_then_less_often():
    delays = [step.delay for step in steps(*[Answer.AWAY] * 7)]
    assert delays == [0.05, 0.1, 0.2, 0.4, 0.8, LONGEST_RETRY, LONGEST_RETRY]


def test_until_the_balancer_picks_the_worker_it_looks_often():
    joining = steps(*[Answer.JOINING] * 6)
    assert [step.delay for step in joining] == [0.05, 0.1, 0.2, 0.4, 0.8, LONGEST_RETRY]
    assert [step.lease.settled for step in joining] == [False, False, False, False, True, True]
    assert [step.news for step in joining] == [True, False, False, False, False, False]
    picked = steps(Answer.JOINING, Answer.TAKEN)[1]
    assert (picked.delay, picked.news, picked.lease.settled) == (RENEW, False, True)


@pytest.mark.parametrize("answer", [Answer.AWAY, Answer.REFUSED])
def test_a_balancer_that_cant_be_joined_isnt_waited_for(answer):
    assert steps(answer)[0].lease.settled


def test_once_it_is_back_the_next_absence_begins_anew():
    assert steps(*[Answer.AWAY] * 6, Answer.TAKEN, Answer.AWAY)[-1].delay == 0.05


def test_a_refusal_is_tried_again_slowly():
    assert steps(Answer.REFUSED)[0].delay == SLOW_RETRY


def test_going_and_coming_back_is_said_once_each():
    answers = [Answer.TAKEN, Answer.TAKEN, Answer.AWAY, Answer.AWAY, Answer.TAKEN, Answer.TAKEN]
    assert [step.news for step in steps(*answers)] == [True, False, True, False, True, False]


def test_another_reason_for_a_refusal_is_news_and_for_an_absence_isnt():
    refused = after(Lease(), Answer.REFUSED, "wrong token", 0.0).lease
    assert after(refused, Answer.REFUSED, "bad port", 0.0).news
    away = after(Lease(), Answer.AWAY, "refused", 0.0).lease
    assert not after(away, Answer.AWAY, "no answer", 0.0).news


def test_the_lease_is_held_while_the_balancer_is_away_and_not_when_it_was_refused():
    assert [step.lease.held for step in steps(Answer.AWAY, Answer.TAKEN, Answer.AWAY, Answer.REFUSED, Answer.AWAY)] == [
        False, True, True, False, False,
    ]  # fmt: skip


@given(st.lists(st.sampled_from(Answer), max_size=2000), st.floats(0, 1))
def test_the_next_call_is_never_far_nor_at_once(answers, jitter):
    for step in steps(*answers, jitter=jitter):
        assert 0.025 <= step.delay <= SLOW_RETRY


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_jitter_only_shortens(jitter):
    assert after(Lease(), Answer.TAKEN, "", jitter).delay == RENEW * (0.5 + jitter / 2)
