"""HTTP/1.1 in and out: connections that live, targets, methods, fields. RFC 9112 and RFC 9110."""

from __future__ import annotations

import contextlib

import pytest

from .app_server import Connection, answers, answers_once, echoes
from .wire import Client, chunked, reply, request


def test_a_connection_serves_one_request_after_another(start_server, start_balancer):
    client = start_balancer([start_server(echoes)]).client()
    assert [client.get(f"/{number}").body for number in range(5)] == [b"/0", b"/1", b"/2", b"/3", b"/4"]


def test_requests_of_one_connection_share_a_server_connection(start_server, start_balancer):
    app = start_server(echoes)
    client = start_balancer([app]).client()
    for number in range(5):
        client.get(f"/{number}")
    assert len(app.connections) == 1


def test_pipelined_requests_are_answered_in_order(start_server, start_balancer):
    client = start_balancer([start_server(echoes)]).client()
    client.send(
        request("GET", "/1")
        + request("POST", "/2", "Content-Length: 4", body=b"two!")
        + request("POST", "/3", "Transfer-Encoding: chunked", body=chunked(b"thr", b"ee"))
        + request("GET", "/4")
    )
    assert [client.response().body for _ in range(4)] == [b"/1", b"two!", b"three", b"/4"]


def test_a_pipeline_is_served_when_it_arrives_in_single_bytes(start_server, start_balancer):
    client = start_balancer([start_server(echoes)]).client()
    for byte in request("POST", "/", "Transfer-Encoding: chunked", body=chunked(b"abc")) + request("GET", "/next"):
        client.send(bytes([byte]))
    assert [client.response().body, client.response().body] == [b"abc", b"/next"]


def test_an_error_in_a_pipeline_comes_in_its_turn_and_ends_it(start_server, start_balancer):
    app = start_server(echoes)
    client = start_balancer([app]).client()
    client.send(request("GET", "/1") + b"GET /2 HTTP/1.1\r\nHost : app.test\r\n\r\n" + request("GET", "/3"))
    assert client.response().body == b"/1"
    assert client.response().status == 400
    assert client.rest() == b""
    assert app.targets == ["/1"]


def test_a_bad_body_in_a_pipeline_ends_it(start_server, start_balancer):
    app = start_server(echoes)
    client = start_balancer([app]).client()
    chunks = request("POST", "/2", "Transfer-Encoding: chunked", body=b"3\r\nabcX\r\n0\r\n\r\n")
    client.send(request("GET", "/1") + chunks + request("GET", "/3"))
    assert [client.response().status, client.response().status] == [200, 400]
    assert client.rest() == b""
    assert "/3" not in app.targets


def test_http_1_0_may_pipeline_what_it_keeps_alive(start_server, start_balancer):
    client = start_balancer([start_server(echoes)]).client()
    kept = b"GET /%d HTTP/1.0\r\nHost: app.test\r\nConnection: keep-alive\r\n\r\n"
    client.send(kept % 1 + kept % 2)
    assert [client.response().body, client.response().body] == [b"/1", b"/2"]


def test_connection_close_is_obeyed_and_answered(start_server, start_balancer):
    client = start_balancer([start_server(echoes)]).client()
    response = client.get("/", "Connection: close")
    assert response["connection"].lower() == "close"
    assert client.rest() == b""


def test_nothing_after_a_request_that_closes_is_served(start_server, start_balancer):
    app = start_server(echoes)
    client = start_balancer([app]).client()
    client.send(request("GET", "/last", "Connection: close") + request("GET", "/more"))
    assert client.response().body == b"/last"
    assert client.rest() == b""
    assert app.targets == ["/last"]


def test_a_server_that_closes_does_not_close_the_client(start_server, start_balancer):
    app = start_server(answers_once(reply(b"ok", "Connection: close")))
    client = start_balancer([app]).client()
    first = client.get("/1")
    assert "connection" not in first or first["connection"] == "keep-alive"
    assert client.get("/2").body == b"ok"
    assert len(app.connections) == 2


def test_http_1_0_closes_after_the_response(start_server, start_balancer):
    client = start_balancer([start_server(echoes)]).client()
    client.send(b"GET /old HTTP/1.0\r\nHost: app.test\r\n\r\n")
    assert client.response().body == b"/old"
    assert client.rest() == b""


def test_http_1_0_needs_no_host_and_the_server_gets_one(start_server, start_balancer):
    app = start_server(echoes)
    client = start_balancer([app]).client()
    client.send(b"GET /old HTTP/1.0\r\n\r\n")
    assert client.response().status == 200
    assert app.requests[0].start == "GET /old HTTP/1.1"
    assert len(app.requests[0].all("host")) == 1


def test_http_1_0_that_asks_for_keep_alive_gets_it(start_server, start_balancer):
    client = start_balancer([start_server(echoes)]).client()
    client.send(b"GET /1 HTTP/1.0\r\nHost: app.test\r\nConnection: keep-alive\r\n\r\n")
    assert client.response()["connection"].lower() == "keep-alive"
    client.send(b"GET /2 HTTP/1.0\r\nHost: app.test\r\n\r\n")
    assert client.response().body == b"/2"
    assert client.rest() == b""


@pytest.mark.parametrize("connection", ["", "Connection: keep-alive\r\n"])
def test_http_1_0_is_never_sent_chunks(start_server, start_balancer, connection):
    app = start_server(answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"one", b"two")))
    client = start_balancer([app]).client()
    client.send(f"GET / HTTP/1.0\r\nHost: app.test\r\n{connection}\r\n".encode())
    response = client.response()
    assert "transfer-encoding" not in response
    assert response.body == b"onetwo"
    assert client.ended_cleanly()


@pytest.mark.parametrize(
    ("target", "host", "reaches"),
    [
        ("http://named.test/path?q=1", "named.test", "/path?q=1"),
        ("https://named.test:8443/path", "named.test:8443", "/path"),
        ("HTTP://named.test/", "named.test", "/"),
        ("http://named.test", "named.test", "/"),
        ("http://named.test?q", "named.test", "/?q"),
        ("http://[::1]:80/six", "[::1]:80", "/six"),
    ],
)
def test_an_absolute_target_is_reduced_and_its_host_wins(start_server, start_balancer, target, host, reaches):
    """RFC 9112, 3.2.2: the received Host is ignored and replaced by the target's."""
    app = start_server(echoes)
    assert start_balancer([app]).client().get(target).status == 200
    assert app.requests[0].target == reaches
    assert app.requests[0]["host"] == host


def test_options_for_the_whole_server_passes(start_server, start_balancer):
    app = start_server(answers())
    assert start_balancer([app]).client().exchange("OPTIONS", "*").status == 200
    assert app.requests[0].start == "OPTIONS * HTTP/1.1"


@pytest.mark.parametrize("target", ["/?", "/a//b/../c", "/%2e%2E/%00?x=%0d%0a", '/a;b=c?d=[e]|{f}^`"<>\\'])
def test_targets_pass_unchanged(start_server, start_balancer, target):
    app = start_server(answers())
    assert start_balancer([app]).client().get(target).status == 200
    assert app.targets == [target]


@pytest.mark.parametrize("method", ["PURGE", "PROPFIND", "M-SEARCH", "get", "x!#$%&'*+-.^_`|~9"])
def test_any_method_token_passes(start_server, start_balancer, method):
    app = start_server(answers())
    assert start_balancer([app]).client().exchange(method, "/").status == 200
    assert app.requests[0].method == method


def test_empty_lines_before_a_request_are_skipped(start_server, start_balancer):
    """RFC 9112, 2.2: at least one; some clients send one after the body of a POST."""
    client = start_balancer([start_server(echoes)]).client()
    client.send(b"\r\n" + request("POST", "/", "Content-Length: 2", body=b"hi") + b"\r\n" + request("GET", "/next"))
    assert [client.response().body, client.response().body] == [b"hi", b"/next"]


@pytest.mark.parametrize("framing", ["Content-Length: 1234", "Transfer-Encoding: chunked"])
def test_head_has_the_fields_and_no_body(start_server, start_balancer, framing):
    head = f"HTTP/1.1 200 OK\r\nETag: x\r\n{framing}\r\n\r\n".encode()
    client = start_balancer([start_server(answers(head, reply(b"next")))]).client()
    response = client.exchange("HEAD", "/")
    assert response["etag"] == "x"
    assert response.all("content-length") == (["1234"] if "1234" in framing else [])
    assert client.get("/").body == b"next"


def test_a_head_may_have_a_body(start_server, start_balancer):
    app = start_server(echoes)
    client = start_balancer([app]).client()
    client.send(request("HEAD", "/", "Content-Length: 5", body=b"hello") + request("GET", "/next"))
    assert client.response("HEAD")["content-length"] == "5"
    client.until(b"/next")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_responses_without_content_end_with_their_head(start_server, start_balancer, status, method):
    app = start_server(answers(f"HTTP/1.1 {status}\r\nETag: x\r\n\r\n".encode(), reply(b"next")))
    client = start_balancer([app]).client()
    response = client.exchange(method, "/", "Content-Length: 0")
    assert response.start == f"HTTP/1.1 {status}"
    assert "transfer-encoding" not in response
    assert client.get("/").body == b"next"


def test_not_modified_may_tell_a_length(start_server, start_balancer):
    app = start_server(answers(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", reply(b"next")))
    client = start_balancer([app]).client()
    assert client.get("/").all("content-length") in ([], ["500"])
    assert client.get("/").body == b"next"


def test_no_content_has_no_length(start_server, start_balancer):
    """RFC 9110, 8.6: a server must not send Content-Length with 204; what some send is taken out."""
    client = start_balancer([start_server(answers(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"))]).client()
    assert client.get("/").all("content-length") == []


@pytest.mark.parametrize("line", ["299 Fine by me", "404 ", "599 Nobody's status"])
def test_status_and_reason_reach_the_client(start_server, start_balancer, line):
    client = start_balancer([start_server(answers(reply(b"", status=line)))]).client()
    assert client.get().start == f"HTTP/1.1 {line}"


def test_an_http_1_0_server_is_understood(start_server, start_balancer):
    app = start_server(answers_once(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold"))
    client = start_balancer([app]).client()
    assert [client.get().body, client.get().body] == [b"old", b"old"]


def test_a_client_that_closed_its_side_still_gets_the_response(start_server, start_balancer):
    client = start_balancer([start_server(echoes)]).client()
    client.send(request("POST", "/", "Content-Length: 4", body=b"half"))
    client.half_close()
    assert client.response().body == b"half"
    assert client.rest() == b""


def test_repeated_response_fields_keep_their_lines_and_order(start_server, start_balancer):
    lines = ["Set-Cookie: a=1; Path=/", "X-One: 1", "Set-Cookie: b=2, c", "X-One: 2", "Set-Cookie: a=1; Path=/"]
    response = start_balancer([start_server(answers(reply(b"ok", *lines)))]).client().get()
    kept = [(name, value) for name, value in response.fields if name in {"set-cookie", "x-one"}]
    assert [f"{name}: {value}" for name, value in kept] == [
        line.replace(line[:10], line[:10].lower()) for line in lines
    ]


def test_repeated_request_fields_keep_their_lines_and_order(start_server, start_balancer):
    app = start_server(answers())
    start_balancer([app]).client().get("/", "X-One: 1", "Accept: a", "X-One: 2", "Accept: b", "X-One: 1")
    kept = [(name, value) for name, value in app.requests[0].fields if name in {"x-one", "accept"}]
    assert kept == [("x-one", "1"), ("accept", "a"), ("x-one", "2"), ("accept", "b"), ("x-one", "1")]


def test_ninety_fields_pass_both_ways(start_server, start_balancer):
    lines = [f"X-{number}: {number}" for number in range(90)]
    app = start_server(answers(reply(b"ok", *lines)))
    response = start_balancer([app]).client().get("/", *lines)
    assert [response[f"x-{number}"] for number in range(90)] == [str(number) for number in range(90)]
    assert [app.requests[0][f"x-{number}"] for number in range(90)] == [str(number) for number in range(90)]


@pytest.mark.parametrize(
    "value", ["caf\xe9 \xff\x80", "", "tab\tinside", '"a, b"; c', "!#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"]
)
def test_odd_but_valid_values_pass_both_ways(start_server, start_balancer, value):
    app = start_server(answers(reply(b"ok", f"X-Odd: {value}")))
    response = start_balancer([app]).client().get("/", f"X-Odd: {value}")
    assert response["x-odd"] == value
    assert app.requests[0]["x-odd"] == value


def test_white_space_around_a_value_is_not_part_of_it(start_server, start_balancer):
    app = start_server(answers())
    start_balancer([app]).client().get("/", "X-Odd:\t  padded \t ")
    assert app.requests[0]["x-odd"] == "padded"


def test_a_response_without_a_date_gets_one(start_server, start_balancer):
    """RFC 9110, 6.6.1: who forwards a response that has none must add it."""
    client = start_balancer(
        [start_server(answers(reply(), reply(b"ok", "Date: Thu, 01 Jan 1970 00:00:00 GMT")))]
    ).client()
    assert client.get()["date"].endswith(" GMT")
    assert client.get()["date"] == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_an_early_response_arrives_while_the_request_still_streams(start_server, start_balancer):
    def eager(connection: Connection) -> None:
        message = connection.head()
        connection.send(reply(b"early"))
        connection.read_body(message)
        connection.request()

    client = start_balancer([start_server(eager)]).client()
    client.send(request("POST", "/", "Content-Length: 10", body=b"12345"))
    assert client.response().body == b"early"


def test_a_server_that_refuses_a_body_unread_is_heard(start_server, start_balancer):
    def refuses(connection: Connection) -> None:
        connection.head()
        connection.send(reply(b"too much", "Connection: close", status="413 Content Too Large"))
        connection.half_close()
        connection.rest()

    client = start_balancer([start_server(refuses)]).client()
    client.send(request("POST", "/", "Content-Length: 5000000", body=b"x" * 1000))
    response = client.response()
    assert (response.status, response.body) == (413, b"too much")


def test_a_refusal_is_heard_by_who_still_sends(start_server, start_balancer, in_background):
    """A reset for the unread rest would take the response with it (RFC 9112, 9.6)."""

    def refuses(connection: Connection) -> None:
        connection.head()
        connection.send(reply(b"no", "Connection: close", status="401 Unauthorized"))
        connection.half_close()
        connection.rest()

    client = start_balancer([start_server(refuses)]).client()
    in_background(sends_all, client, 5_000_000)
    response = client.response()
    assert (response.status, response.body) == (401, b"no")


def test_a_refusal_of_the_balancer_is_heard_by_who_still_sends(start_server, start_balancer, in_background):
    client = start_balancer([start_server(echoes)], options={"max_body": 1000}).client()
    in_background(sends_all, client, 5_000_000)
    assert client.response().status == 413


def sends_all(client: Client, size: int) -> None:
    with contextlib.suppress(OSError):
        client.send(request("POST", "/", f"Content-Length: {size}", body=bytes(size)))
