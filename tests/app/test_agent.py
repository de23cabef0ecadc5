"""The agent against the admin port of a balancer that a thread plays."""

import logging
import socket
import threading
import time
from pathlib import Path

import pytest

from headrace.app import lease
from headrace.app.agent import Agent
from headrace.app.dial import Dial
from headrace.app.place import Place
from headrace.app.plan import Membership
from headrace.certs.authority import Authority
from headrace.errors import UsageError
from tests.processes import until


@pytest.fixture
def state(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.delenv("HEADRACE_BALANCER_TOKEN", raising=False)
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    (folder / "token").write_text("secret\n")
    return folder


@pytest.fixture
def join(state, fake_balancer):
    """Starts an agent whose own worker is another fake, which answers its ping."""
    worker = fake_balancer()
    agents = []

    def start(url: str, settled=lambda: None, **membership) -> Agent:
        place = Place("127.0.0.1", worker.port)
        agent = Agent(Membership(url, "", str(state), **membership), place, "/ping", None, settled)
        agents.append(agent)
        agent.start()
        return agent

    start.worker = worker
    yield start
    for agent in agents:
        agent.leave(0.0)


def test_it_registers_with_the_token_once_its_own_ping_answers(join, fake_balancer):
    join.worker.status = 503
    balancer = fake_balancer()
    join(balancer.url, service=("shop", "blog"), weight=3, capacity=8, version="1.2")
    until(lambda: len(join.worker.asked("/ping")) > 2)
    assert not balancer.calls
    join.worker.status = 200
    until(lambda: balancer.calls)
    path, query, authorization = balancer.calls[0]
    assert (path, authorization) == ("/register", "Bearer secret")
    assert query == {
        "port": str(join.worker.port),
        "scheme": "http",
        "service": "shop,blog",
        "weight": "3",
        "capacity": "8",
        "version": "1.2",
    }


def test_it_renews(join, fake_balancer, monkeypatch):
    monkeypatch.setattr(lease, "RENEW", 0.05)
    balancer = fake_balancer()
    join(balancer.url)
    until(lambda: len(balancer.asked("/register")) >= 5)


def test_it_tells_once_when_the_balancer_picks_it(join, fake_balancer, monkeypatch):
    monkeypatch.setattr(lease, "RENEW", 0.05)
    monkeypatch.setattr(lease, "PATIENCE", 1000)
    balancer, told = fake_balancer(), []
    balancer.state = "joining"
    join(balancer.url, lambda: told.append(len(balancer.calls)))
    until(lambda: len(balancer.calls) > 3)
    assert not told
    balancer.state = "up"
    until(lambda: told)
    until(lambda: len(balancer.calls) > told[0] + 3)
    assert len(told) == 1


def test_leaving_waits_until_the_balancer_lets_go(join, fake_balancer):
    balancer = fake_balancer()
    balancer.hold.clear()
    agent = join(balancer.url)
    until(lambda: balancer.asked("/register"))
    leaving = threading.Thread(target=agent.leave, args=(10.0,))
    leaving.start()
    until(lambda: balancer.asked("/unregister"))
    assert agent.is_alive()
    balancer.hold.set()
    leaving.join()
    until(lambda: not agent.is_alive())
    asked = balancer.asked("/unregister")[0]
    assert (asked["port"], asked["wait"], asked["drain"]) == (str(join.worker.port), "10.000", "10.000")


def test_leaving_doesnt_wait_for_ever(join, fake_balancer, monkeypatch):
    monkeypatch.setattr("headrace.app.agent.CALL_TIMEOUT", 0.2)
    balancer = fake_balancer()
    balancer.hold.clear()
    agent = join(balancer.url)
    until(lambda: balancer.asked("/register"))
    agent.leave(0.1)
    until(lambda: not agent.is_alive(), 5)


def test_who_never_joined_says_no_goodbye(join, fake_balancer):
    join.worker.status = 503
    balancer = fake_balancer()
    agent = join(balancer.url)
    until(lambda: join.worker.asked("/ping"))
    agent.leave(1.0)
    assert not agent.is_alive()
    assert not balancer.calls


def test_it_outlives_a_balancer_that_goes_and_comes_back(join, fake_balancer, caplog):
    caplog.set_level(logging.INFO)
    balancer = fake_balancer()
    agent = join(balancer.url)
    until(lambda: balancer.asked("/register"))
    balancer.close()
    until(lambda: "is away" in caplog.text)
    balancer.close = lambda: None
    again = fake_balancer(balancer.port)
    until(lambda: again.asked("/register"))
    agent.leave(0.0)
    assert caplog.text.count("is away") == 1
    assert caplog.text.count("Registering application server with address: http://127.0.0.1:") == 2


def test_a_wrong_token_is_said_once_and_a_corrected_one_is_found(join, fake_balancer, caplog, monkeypatch, state):
    monkeypatch.setattr(lease, "SLOW_RETRY", 0.05)
    balancer = fake_balancer()
    balancer.status = 401
    join(balancer.url)
    until(lambda: len(balancer.asked("/register")) >= 3)
    assert caplog.text.count("ERROR") == 1
    assert "doesn't take http://127.0.0.1" in caplog.text
    assert "401, as told" in caplog.text
    (state / "token").write_text("right\n")
    until(lambda: balancer.calls[-1][2] == "Bearer right")


def test_a_balancer_in_trouble_is_away(join, fake_balancer, caplog):
    balancer = fake_balancer()
    balancer.status = 503
    join(balancer.url)
    until(lambda: "is away (503, as told)" in caplog.text)


@pytest.mark.parametrize(
    ("status", "said"), [(404, {}), (503, {"error": "no_app_servers", "message": "No app servers found"})]
)
def test_whoever_does_not_answer_like_an_admin_port_is_doubted(join, fake_balancer, caplog, status, said):
    balancer = fake_balancer()
    balancer.status, balancer.said = status, said
    join(balancer.url)
    until(lambda: "is that its admin port, as in https://127.0.0.1:2001?" in caplog.text)


def test_whoever_hangs_up_on_plain_http_is_doubted_too(join, caplog):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        join(f"http://127.0.0.1:{listener.getsockname()[1]}")
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
        until(lambda: "without response; is that its admin port, as in https://127.0.0.1:2001?" in caplog.text)


def test_a_balancer_that_forgot_it_is_no_trouble_at_the_end(join, fake_balancer, caplog):
    balancer = fake_balancer()
    agent = join(balancer.url)
    until(lambda: balancer.asked("/register"))
    balancer.status = 404
    agent.leave(0.0)
    until(lambda: not agent.is_alive())
    assert "could not unregister" not in caplog.text


def test_an_address_is_named_where_the_callers_isnt_the_servers(join, fake_balancer):
    balancer = fake_balancer()
    join(balancer.url, address="10.0.0.7")
    until(lambda: balancer.calls)
    assert balancer.calls[0][1]["address"] == "10.0.0.7"


def test_a_url_or_an_authority_that_is_none_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match=r"write https://127\.0\.0\.1:2001"):
        Dial.to_url("127.0.0.1:2001", "")
    with pytest.raises(UsageError, match=r"missing\.pem.*--ca"):
        Dial.to_url("https://127.0.0.1:2001", str(tmp_path / "missing.pem"))


def test_a_renewal_costs_less_than_a_millisecond(fake_balancer):
    dial = Dial.to_url(fake_balancer().url, "")
    dial.ask("POST", "/register?port=1", timeout=3.0, token="t")
    began = time.thread_time()
    for _ in range(50):
        dial.ask("POST", "/register?port=1", timeout=3.0, token="t")
    assert (time.thread_time() - began) / 50 < 0.001
    dial.close()


def test_a_certificate_of_another_authority_is_refused(join, state, tmp_path, caplog):
    import ssl
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    leaf = Authority(tmp_path / "other").leaf(["127.0.0.1"], "admin")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.certificate, leaf.key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.handle_error = lambda *_: None
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    ca = str(Authority(state / "certs").ca)
    place = Place("127.0.0.1", join.worker.port)
    agent = Agent(Membership(f"https://127.0.0.1:{server.server_port}", ca, str(state)), place, "/ping", None)
    agent.start()
    until(lambda: "isn't of the authority" in caplog.text)
    agent.leave(0.0)
    server.shutdown()
    thread.join()
    server.server_close()
