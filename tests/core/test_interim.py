"""1xx responses and `Expect: 100-continue`. RFC 9110, 10.1.1 and 15.2."""

from __future__ import annotations

import pytest

from .app_server import Connection, answers, echoes
from .wire import chunked, reply, request

EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>; rel=preload\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EXPECTS = request("POST", "/", "Content-Length: 5", "Expect: 100-continue")


def test_early_hints_are_passed_with_their_fields(start_server, start_balancer):
    response = start_balancer([start_server(answers(EARLY_HINTS + reply()))]).client().get()
    (hints,) = response.interim
    assert hints.status == 103
    assert hints.all("link") == ["</a.css>; rel=preload", "</b.js>; rel=preload"]
    assert (response.status, response.body) == (200, b"ok")


def test_several_interim_responses_keep_their_order(start_server, start_balancer):
    processing = b"HTTP/1.1 102 Processing\r\n\r\n"
    app = start_server(answers(processing + EARLY_HINTS + processing + EARLY_HINTS + reply()))
    client = start_balancer([app]).client()
    assert [hint.status for hint in client.get().interim] == [102, 103, 102, 103]
    assert client.get().body == b"ok"


def test_early_hints_arrive_before_the_response_is_there(start_server, start_balancer):
    def hints(connection: Connection) -> None:
        connection.request()
        connection.send(EARLY_HINTS)
        connection.some()

    client = start_balancer([start_server(hints)]).client()
    client.send(request("GET", "/"))
    assert client.message().status == 103


def test_http_1_0_gets_no_interim_response(start_server, start_balancer):
    client = start_balancer([start_server(answers(EARLY_HINTS + reply()))]).client()
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert client.message().status == 200


def test_a_server_s_continue_reaches_the_client(start_server, start_balancer):
    def continues(connection: Connection) -> None:
        message = connection.head()
        connection.send(CONTINUE)
        connection.read_body(message)
        connection.send(reply(message.body))

    client = start_balancer([start_server(continues)]).client()
    client.send(EXPECTS)
    assert client.message().status == 100
    client.send(b"hello")
    assert client.response().body == b"hello"


def test_a_client_that_expects_is_answered_where_the_server_says_nothing(start_server, start_balancer):
    """Many servers never send 100; the client must not wait for its own patience."""
    client = start_balancer([start_server(echoes)]).client()
    client.send(EXPECTS)
    assert client.message().status == 100
    client.send(b"hello")
    assert client.response().body == b"hello"


def test_a_client_that_does_not_wait_is_served(start_server, start_balancer):
    client = start_balancer([start_server(echoes)]).client()
    client.send(EXPECTS + b"hello" + request("GET", "/next"))
    assert client.response().body == b"hello"
    assert client.response().body == b"/next"


def test_a_chunked_body_may_be_expected_too(start_server, start_balancer):
    client = start_balancer([start_server(echoes)]).client()
    client.send(request("POST", "/", "Transfer-Encoding: chunked", "expect: 100-Continue"))
    assert client.message().status == 100
    client.send(chunked(b"hello"))
    assert client.response().body == b"hello"


def test_a_refusal_instead_of_continue_reaches_the_client(start_server, start_balancer):
    def refuses(connection: Connection) -> None:
        connection.head()
        connection.send(reply(b"no", "Connection: close", status="401 Unauthorized"))

    client = start_balancer([start_server(refuses)]).client()
    client.send(EXPECTS)
    assert client.response().status == 401


def test_a_body_after_a_refusal_is_not_taken_for_a_request(start_server, start_balancer):
    def refuses(connection: Connection) -> None:
        connection.head()
        connection.send(reply(b"no", status="401 Unauthorized"))

    app = start_server(refuses)
    client = start_balancer([app]).client()
    body = request("GET", "/smuggled")
    client.send(request("POST", "/", f"Content-Length: {len(body)}", "Expect: 100-continue"))
    assert client.response().status == 401
    client.send(body)
    client.half_close()
    client.rest()
    assert "/smuggled" not in app.targets


@pytest.mark.parametrize("value", ["102-processing", "100-continue, more", "x"])
def test_any_other_expectation_is_refused(start_server, start_balancer, value):
    app = start_server(echoes)
    client = start_balancer([app]).client()
    assert client.get("/", f"Expect: {value}").status == 417
    assert app.received == b""


@pytest.mark.parametrize("framing", [[], ["Content-Length: 0"]], ids=["none", "empty"])
def test_who_has_no_body_has_nothing_to_wait_with(start_server, start_balancer, framing):
    app = start_server(echoes)
    client = start_balancer([app]).client()
    assert client.get("/", "Expect: 100-continue", *framing).interim == []
    assert client.get("/next").body == b"/next"
    assert "expect" not in app.requests[0]


def test_http_1_0_cannot_expect(start_server, start_balancer):
    client = start_balancer([start_server(echoes)]).client()
    client.send(b"POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello")
    assert client.message().status == 200


def test_a_body_over_the_limit_is_refused_before_it_is_sent(start_server, start_balancer):
    client = start_balancer([start_server(echoes)], options={"max_body": 4}).client()
    client.send(EXPECTS)
    assert client.message().status == 413
