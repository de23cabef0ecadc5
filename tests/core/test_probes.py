"""Probes: one `GET /ping` each, without waiting; how it ended comes as an event."""

from __future__ import annotations

import time

import pytest

from headrace._core import ClientTls

from .app_server import Connection, answers, answers_once, deaf_address, hangs_up, refused_address
from .wire import reply


@pytest.fixture
def proxy(start_balancer):
    return start_balancer([])


def test_a_server_that_is_ready_passes(proxy, start_server):
    app = start_server(answers())
    proxy.engine.probe("s0", app.address)
    event = proxy.event("probe", "s0")
    assert (event.ok, event.kind, event.server) == (True, "probe", "s0")
    assert 0 < event.seconds < 10
    assert app.requests[0].start == "GET /ping HTTP/1.1"
    assert len(app.requests[0].all("host")) == 1


def test_the_path_can_be_chosen(proxy, start_server):
    app = start_server(answers())
    proxy.engine.probe("s0", app.address, path="/health?deep=1")
    assert proxy.event("probe", "s0").ok
    assert app.targets == ["/health?deep=1"]


@pytest.mark.parametrize("status", ["503 Service Unavailable", "404 Not Found", "500 Oops", "302 Found", "101 X"])
def test_any_answer_but_success_fails(proxy, start_server, status):
    app = start_server(answers(reply(b"", status=status)))
    proxy.engine.probe("s0", app.address)
    event = proxy.event("probe", "s0")
    assert not event.ok
    assert status[:3] in event.detail


def test_a_refused_connection_fails(proxy):
    proxy.engine.probe("s0", refused_address())
    event = proxy.event("probe", "s0")
    assert not event.ok
    assert "refused" in event.detail.lower()


@pytest.mark.parametrize(
    "script", [hangs_up, answers_once(b"garbage\r\n\r\n"), answers_once(b"HTTP/1.1 200 OK\r\nConten")]
)
def test_a_broken_answer_fails(proxy, start_server, script):
    proxy.engine.probe("s0", start_server(script).address)
    event = proxy.event("probe", "s0")
    assert not event.ok
    assert event.detail


def test_a_server_that_does_not_answer_in_time_fails(proxy, start_server):
    def stays_silent(connection: Connection) -> None:
        connection.request()
        connection.some()

    proxy.engine.probe("s0", start_server(stays_silent).address, timeout=0.3)
    event = proxy.event("probe", "s0")
    assert not event.ok
    assert event.detail
    assert event.seconds >= 0.25


def test_a_server_that_cannot_be_reached_in_time_fails(proxy):
    with deaf_address() as address:
        proxy.engine.probe("s0", address, timeout=0.3)
        assert not proxy.event("probe", "s0").ok


def test_a_name_that_does_not_exist_fails(proxy):
    proxy.engine.probe("s0", "nobody.invalid:80", timeout=2.0)
    assert not proxy.event("probe", "s0").ok


def test_over_tls_the_certificate_is_verified(proxy, start_server, authority, localhost):
    app = start_server(answers(), tls=localhost.server_context())
    proxy.engine.probe("right", app.address, tls=ClientTls(authority.ca))
    assert proxy.event("probe", "right").ok
    proxy.engine.probe("wrong", app.address, tls=ClientTls(authority.ca, server_name="other.test"))
    event = proxy.event("probe", "wrong")
    assert not event.ok
    assert "certificate" in event.detail.lower()


def test_over_a_unix_socket(proxy, start_server, tmp_path):
    app = start_server(answers(), address=f"unix:{tmp_path}/app.sock")
    proxy.engine.probe("s0", app.address)
    assert proxy.event("probe", "s0").ok
    proxy.engine.probe("gone", f"unix:{tmp_path}/gone.sock")
    assert not proxy.event("probe", "gone").ok


def test_probes_run_side_by_side(proxy):
    with deaf_address() as address:
        started = time.monotonic()
        for number in range(50):
            proxy.engine.probe(f"s{number}", address, timeout=1.0)
        for number in range(50):
            assert not proxy.event("probe", f"s{number}").ok
        assert time.monotonic() - started < 25.0  # half of what they would take one after the other


def test_probes_are_not_requests(start_server, start_balancer):
    app = start_server(answers())
    proxy = start_balancer([app])
    proxy.engine.probe("s0", app.address)
    assert proxy.event("probe", "s0").ok
    assert proxy.stats().requests == 0
    assert proxy.engine.counters().responses.get("2xx", 0) == 0


def test_waiting_for_events_ends_when_it_is_woken(proxy, in_background):
    waiting = in_background(proxy.engine.events, 60.0)
    proxy.engine.wake()
    assert waiting.result() == []


def test_waiting_for_events_ends_in_time(proxy):
    assert proxy.engine.events(0.05) == []
