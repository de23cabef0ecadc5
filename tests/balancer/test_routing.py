"""What goes where."""

import pytest

from headrace.balancer.member import Member, Offer, State
from headrace.balancer.routing import Planner, Rule, parse_rule
from headrace.errors import UsageError


def member(number: int, *services: str, state: State = State.UP) -> Member:
    return Member(f"s{number}", Offer(f"h:{number}", services=services), state, "", 0.0, 0.0, None)


def names(plan, service):
    return [m.id for s in plan.services if s.name == service for m in s.members]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("/api=api", Rule("", "/api", "api")),
        ("example.org=site", Rule("example.org", "/", "site")),
        ("Example.org/shop=shop", Rule("example.org", "/shop", "shop")),
        ("/=all", Rule("", "/", "all")),
    ],
)
def test_a_route_is_read(text, rule):
    assert parse_rule(text) == rule


@pytest.mark.parametrize(("text", "cached"), [("/a=b;cache", True), ("/a=b;no-cache", False), ("/a=b", None)])
@pytest.mark.parametrize("default", [True, False])
def test_a_route_has_the_cache_where_it_or_the_setting_says_so(text, cached, default):
    assert parse_rule(text, cached=default).cached == (default if cached is None else cached)


def test_the_route_of_everything_else_has_the_cache_where_the_setting_says_so(time):
    assert [rule.cached for rule in Planner([], 30, time.clock, cached=True).rules] == [True]


@pytest.mark.parametrize(
    ("text", "compressed"),
    [("/a=b;compress", True), ("/a=b;no-compress", False), ("/a=b;cache;no-compress", False), ("/a=b;cache", None)],
)
@pytest.mark.parametrize("default", [True, False])
def test_responses_of_a_route_are_compressed_where_it_or_the_setting_says_so(text, compressed, default):
    assert parse_rule(text, compressed=default).compressed == (default if compressed is None else compressed)


def test_a_route_says_several_things_in_any_order():
    for text in ("/a=b;cache;no-compress", "/a=b;no-compress;cache"):
        assert parse_rule(text, compressed=True) == Rule("", "/a", "b", cached=True, compressed=False)


def test_the_route_of_everything_else_is_compressed_where_the_setting_says_so(time):
    assert [rule.compressed for rule in Planner([], 30, time.clock, compressed=True).rules] == [True]


@pytest.mark.parametrize(
    "text",
    [
        "/a=b;",
        "/a=b;cache;",
        "/a=b;no-",
        "/a=b;gzip",
        "/a=b;cached",
        "",
        "/api",
        "/api=",
        "=",
        "/a b=c",
        "/api=a/b",
        "/api==x",
    ],
)
def test_a_route_that_makes_no_sense_is_refused(text):
    with pytest.raises(UsageError, match="route"):
        parse_rule(text)


def test_without_routes_everybody_answers_everything(time):
    planner = Planner([], 30, time.clock)
    plan = planner.plan([member(1), member(2, "shop")])
    assert planner.rules == (Rule("", "/", "default"),)
    assert names(plan, "default") == ["s1", "s2"]


def test_with_routes_a_service_has_those_who_name_it_and_those_who_name_none(time):
    planner = Planner([parse_rule("/shop=shop"), parse_rule("/blog=blog")], 30, time.clock)
    plan = planner.plan([member(1, "shop"), member(2), member(3, "blog", "shop")])
    assert names(plan, "shop") == ["s1", "s2", "s3"]
    assert names(plan, "blog") == ["s2", "s3"]
    assert names(plan, "default") == ["s2"]


def test_a_route_for_everything_is_the_last_word(time):
    planner = Planner([parse_rule("/shop=shop"), parse_rule("/=site")], 30, time.clock)
    assert planner.services() == ["shop", "site"]


@pytest.mark.parametrize("state", [state for state in State if state is not State.UP])
def test_only_who_is_up_is_picked(time, state):
    assert names(Planner([], 30, time.clock).plan([member(1, state=state)]), "default") == []


def test_a_service_that_never_had_a_server_is_refused_at_once(time):
    assert not Planner([], 30, time.clock).plan([]).services[0].hold


def test_requests_wait_for_a_service_whose_last_server_left_lately(time):
    planner = Planner([], 30, time.clock)
    assert not planner.plan([member(1)]).services[0].hold
    time.pass_(29)
    planner.plan([member(1)])
    assert planner.plan([]).services[0].hold
    time.pass_(29)
    assert planner.plan([]).services[0].hold
    time.pass_(2)
    assert not planner.plan([]).services[0].hold


def test_requests_wait_for_what_restored_servers_handle(time):
    planner = Planner([parse_rule("/shop=shop"), parse_rule("/blog=blog")], 30, time.clock)
    planner.expect([member(1, "shop", state=State.DOWN)])
    assert [service.hold for service in planner.plan([]).services] == [True, False, False]


def test_a_plan_is_the_same_as_long_as_the_core_would_see_no_difference(time):
    planner = Planner([], 30, time.clock)
    assert planner.plan([member(1)]).key() == planner.plan([member(1), member(2, state=State.DOWN)]).key()
    assert planner.plan([member(1)]).key() != planner.plan([member(2)]).key()
