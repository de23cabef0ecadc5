"""Replies of the balancer's own: one JSON object with a code and what to do, plain text for a browser."""

from __future__ import annotations

import json

import pytest

from headrace._core import Server

from .app_server import hangs_up, refused_address
from .wire import Message, request

BROWSER = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def nobody(start_balancer):
    return start_balancer([])


def told(response: Message) -> dict[str, str]:
    assert response["content-type"].split(";")[0] == "application/json"
    error = json.loads(response.body)
    assert set(error) == {"error", "message"}
    assert error["error"].replace("_", "").islower()
    assert len(error["message"]) > 10
    return error


def test_errors_are_json(nobody):
    response = nobody.client().get()
    assert response.status == 503
    assert "No app servers found" in told(response)["message"]


def test_each_kind_has_its_own_code(start_server, start_balancer, nobody):
    codes = {
        told(nobody.client().get())["error"],
        told(nobody.client().get("/", "Expect: miracles"))["error"],
        told(nobody.client().get("/", "X: " + "y" * 9000))["error"],
        told(nobody.client().exchange("GET", "/", "Content-Length: x"))["error"],
        told(start_balancer([start_server(hangs_up)]).client().post(b""))["error"],
    }
    assert len(codes) == 5
    assert "bad_request" in codes


def test_a_browser_gets_plain_text(nobody):
    response = nobody.client().get("/", BROWSER)
    assert response["content-type"].split(";")[0] == "text/plain"
    assert b"No app servers found" in response.body
    assert not response.body.startswith(b"{")


def test_a_bad_request_of_a_browser_is_plain_text_too(start_balancer):
    response = start_balancer([], options={"max_body": 1}).client().exchange("POST", "/", BROWSER, "Content-Length: 2")
    assert response.status == 413
    assert response["content-type"].split(";")[0] == "text/plain"


def test_a_503_says_when_to_come_back(nobody):
    assert 1 <= int(nobody.client().get()["retry-after"]) <= 60


def test_the_answer_to_head_has_no_body(nobody):
    client = nobody.client()
    response = client.exchange("HEAD", "/")
    assert response.status == 503
    assert int(response["content-length"]) > 0
    assert client.get().status == 503


def test_a_connection_survives_an_error_that_is_not_its_own(nobody):
    client = nobody.client()
    client.send(request("GET", "/1") + request("GET", "/2"))
    assert [client.response().status, client.response().status] == [503, 503]


def test_a_refused_body_is_not_left_in_the_way(nobody):
    """The error comes before the body was read: either it is read and dropped, or the connection is closed."""
    client = nobody.client()
    client.send(request("POST", "/", "Content-Length: 100000", body=request("GET", "/x") * 50))
    response = client.response()
    assert response.status == 503
    client.half_close()
    assert client.rest() == b""


def test_nothing_of_the_request_is_in_the_error(nobody):
    assert b"<script>" not in nobody.client().get("/<script>alert(1)</script>", BROWSER).body


def test_the_address_of_a_server_is_nobody_s_business(start_balancer):
    address = refused_address()
    response = start_balancer([Server("secret-name", address)]).client().get()
    assert response.status == 502
    assert address.rpartition(":")[2].encode() not in response.raw_head + response.body
    assert b"secret-name" not in response.body


def test_errors_over_http_2_are_the_same(start_balancer, tls):
    response = start_balancer([], tls=tls).http2().get()
    assert response.status == 503
    assert response["content-type"].split(";")[0] == "application/json"
    assert "No app servers found" in json.loads(response.body)["message"]
    assert int(response["retry-after"]) >= 1


def test_errors_are_counted_by_code(nobody):
    code = told(nobody.client().get())["error"]
    assert nobody.engine.counters().refused[code] == 1
    assert nobody.engine.counters().responses["5xx"] == 1
