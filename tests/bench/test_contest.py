import pytest

from headrace.bench.contest import contest
from headrace.bench.rig import Effort, Rig
from headrace.bench.scenario import Contestant, Row, Sample, Scenario
from headrace.bench.tools import Tool, debian
from headrace.errors import OperationError


def scenario(*contestants, **options):
    return Scenario("http1", "HTTP/1.1", "µs", contestants, **options)


def constant(name, *values, ours=False, tools=()):
    remaining = iter(values)
    return Contestant(name, tools, lambda _: Sample(next(remaining)), ours)


def rig(rounds):
    return Rig(None, None, 0, Effort(rounds=rounds))


def ignore(_text):
    pass


def test_the_figure_is_the_median_over_rounds():
    row = Row(scenario(), {"nginx": [Sample(12.0), Sample(10.0), Sample(90.0)]}, {})
    assert row.figure("nginx") == 12.0


@pytest.mark.parametrize("bad", [Sample(1.0, errors=1), Sample(0.0, failure="did not answer")])
def test_one_bad_round_makes_the_figure_invalid(bad):
    row = Row(scenario(), {"nginx": [Sample(12.0), bad]}, {})
    assert row.figure("nginx") is None
    assert len(row.errors) == 1


def test_the_ratio_is_to_the_best_peer_and_never_to_one_of_ours():
    contestants = [constant("headrace", 8.0, ours=True), constant("headrace-unix", 1.0, ours=True)]
    (row,) = contest([scenario(*contestants, constant("nginx", 12.0), constant("h2o", 10.0))], rig(1), ignore)
    assert row.best_peer() == ("h2o", 10.0)
    assert row.ratio("headrace") == 0.8


def test_the_ratio_is_to_those_that_the_target_names():
    contestants = [constant("headrace", 8.0, ours=True), constant("nginx", 16.0), constant("h2o", 10.0)]
    (row,) = contest([scenario(*contestants, against=("nginx",))], rig(1), ignore)
    assert row.ratio("headrace") == 0.5


def test_without_a_peer_there_is_no_ratio():
    (row,) = contest([scenario(constant("headrace", 8.0, ours=True))], rig(1), ignore)
    assert row.ratio("headrace") is None


def test_peers_are_measured_in_turn_in_each_round():
    order = []

    def remember(name):
        return Contestant(name, (), lambda _: order.append(name) or Sample(1.0))

    contest([scenario(remember("nginx"), remember("h2o"))], rig(2), ignore)
    assert order == ["nginx", "h2o", "nginx", "h2o"]


def test_a_missing_program_is_named_with_what_brings_it():
    absent = Tool("no-such-proxy", debian("no-such-package"))
    (row,) = contest([scenario(constant("nginx", 1.0), constant("absent", 1.0, tools=(absent,)))], rig(1), ignore)
    assert row.missing == {"absent": "apt install no-such-package"}
    assert list(row.samples) == ["nginx"]


def test_one_that_fails_does_not_end_the_run_of_the_others():
    def fail(_rig):
        raise OperationError("nginx ended with 1")

    (row,) = contest([scenario(Contestant("nginx", (), fail), constant("h2o", 10.0))], rig(1), ignore)
    assert row.figure("h2o") == 10.0
    assert row.errors == ["http1: nginx: nginx ended with 1"]
