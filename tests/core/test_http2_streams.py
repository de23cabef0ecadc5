"""HTTP/2 in, HTTP/1.1 out: streams, flow control, trailers, resets. RFC 9113."""

from __future__ import annotations

import threading

import pytest

from headrace._core import Server

from .app_server import Connection, Gate, answers, answers_once, echoes
from .http2 import head
from .wire import PATIENCE, chunked, eventually, reply

CANCEL = 8


def test_a_request_becomes_http_1_1(proxied):
    app, _, client = proxied(echoes)
    response = client.get("/path?q=1", ("accept", "a"), ("x-one", "1"), ("x-one", "2"))
    assert (response.status, response.body) == (200, b"/path?q=1")
    message = app.requests[0]
    assert message.start == "GET /path?q=1 HTTP/1.1"
    assert message["host"] == "app.test"
    assert message.all("x-one") == ["1", "2"]
    assert message["x-forwarded-proto"] == "https"
    assert not any(name.startswith(":") for name, _ in message.fields)
    assert message.all("transfer-encoding") == message.all("content-length") == []


def test_streams_share_a_connection_and_do_not_wait_for_each_other(proxied):
    waiting, gate = threading.Event(), threading.Event()

    def by_target(connection: Connection) -> None:
        while message := connection.head():
            if message.target == "/slow":
                waiting.set()
                assert gate.wait(PATIENCE)
            connection.send(reply(message.target.encode()))

    _, _, client = proxied(by_target)
    slow = client.start(head("GET", "/slow"))
    assert waiting.wait(PATIENCE)
    assert [client.get(f"/{number}").body for number in range(20)] == [b"/%d" % number for number in range(20)]
    gate.set()
    assert client.response(slow).body == b"/slow"


def test_a_hundred_streams_at_once_are_served(proxied):
    _, _, client = proxied(echoes)
    streams = [client.start(head("GET", f"/{number}")) for number in range(100)]
    assert [client.response(stream).body for stream in streams] == [b"/%d" % number for number in range(100)]


def test_streams_over_the_limit_are_refused_as_not_processed(proxied):
    gate = Gate()
    app, _, client = proxied(gate, limits={"streams": 5})
    streams = [client.start(head("GET", f"/{number}")) for number in range(8)]
    for stream in streams[5:]:
        assert client.response(stream).reset == 7  # REFUSED_STREAM: safe to send again
    gate.open()
    assert [client.response(stream).status for stream in streams[:5]] == [200] * 5
    assert len(app.requests) == 5


def test_bodies_pass_both_ways(proxied):
    _, _, client = proxied(echoes)
    body = bytes(range(256)) * 4000
    assert client.exchange(head("POST"), body).body == body


def test_a_body_with_a_length_keeps_it(proxied):
    app, _, client = proxied(echoes)
    assert client.exchange(head("POST", "/", ("content-length", "5")), b"hello").body == b"hello"
    assert app.requests[0].all("content-length") == ["5"]
    assert app.requests[0].all("transfer-encoding") == []


def test_a_body_without_a_length_is_chunked_to_the_server(proxied):
    app, _, client = proxied(echoes)
    assert client.exchange(head("POST"), b"hello").body == b"hello"
    assert app.requests[0].all("transfer-encoding") == ["chunked"]


def test_each_part_of_a_request_arrives_at_once(proxied):
    app, _, client = proxied(echoes)
    stream = client.start(head("POST"), end=False)
    client.data(stream, b"one")
    assert eventually(lambda: b"one" in app.received)
    client.data(stream, b"two", end=True)
    assert client.response(stream).body == b"onetwo"


def test_each_part_of_a_response_arrives_at_once(proxied):
    step = threading.Event()

    def streams(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send(b"3\r\none\r\n")
        assert step.wait(PATIENCE)
        connection.send(b"3\r\ntwo\r\n0\r\n\r\n")

    _, _, client = proxied(streams)
    stream = client.start(head())
    client.until(lambda: client.replies[stream].body == b"one")
    step.set()
    assert client.response(stream).body == b"onetwo"


def test_a_response_may_come_before_the_request_ends(proxied):
    def eager(connection: Connection) -> None:
        message = connection.head()
        connection.send(reply(b"early"))
        connection.read_body(message)

    _, _, client = proxied(eager)
    stream = client.start(head("POST"), end=False)
    client.data(stream, b"some")
    assert client.response(stream).body == b"early"


def test_request_trailers_reach_the_server(proxied):
    app, _, client = proxied(echoes)
    stream = client.start(head("POST", "/", ("trailer", "x-sum")), end=False)
    client.data(stream, b"abc")
    client.trailers(stream, [("x-sum", "1")])
    assert client.response(stream).body == b"abc"
    assert app.requests[0].trailers == [("x-sum", "1")]


def test_response_trailers_reach_the_client(proxied):
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"abc", trailers=b"X-Sum: 1\r\n")
    _, _, client = proxied(answers(chunks))
    response = client.get("/", ("te", "trailers"))
    assert (response.body, response.trailers, response.ended) == (b"abc", [("x-sum", "1")], True)


def test_early_hints_are_passed(proxied):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    _, _, client = proxied(answers(hints + hints + reply()))
    response = client.get()
    assert [dict(fields)[":status"] for fields in response.interim] == ["103", "103"]
    assert dict(response.interim[0])["link"] == "</a.css>"
    assert response.body == b"ok"


def test_expectations_are_answered(proxied):
    _, _, client = proxied(echoes)
    stream = client.start(head("POST", "/", ("expect", "100-continue"), ("content-length", "5")), end=False)
    client.until(lambda: client.replies[stream].interim)
    client.data(stream, b"hello", end=True)
    assert client.response(stream).body == b"hello"


def test_head_has_no_body(proxied):
    _, _, client = proxied(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", reply(b"next")))
    response = client.exchange(head("HEAD"))
    assert (response["content-length"], response.body, response.ended) == ("1234", b"", True)
    assert client.get().body == b"next"


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_responses_without_content_end(proxied, status):
    _, _, client = proxied(answers(b"HTTP/1.1 " + status + b"\r\n\r\n"))
    assert client.get().ended


def test_a_body_until_close_is_whole(proxied):
    _, _, client = proxied(answers_once(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000))
    response = client.get()
    assert (len(response.body), response.ended) == (200_000, True)


def test_fields_of_http_1_1_alone_are_taken_out(proxied):
    fields = ["Connection: X-Named, keep-alive", "Keep-Alive: timeout=5", "X-Named: 1", "Proxy-Connection: x"]
    _, _, client = proxied(answers(reply(b"ok", *fields, "Upgrade: h2c", "X-Stays: 2")))
    response = client.get()
    for name in ("connection", "keep-alive", "x-named", "proxy-connection", "upgrade", "transfer-encoding"):
        assert name not in response, name
    assert response["x-stays"] == "2"


def test_names_are_lower_case_and_repeated_fields_keep_their_order(proxied):
    _, _, client = proxied(answers(reply(b"ok", "Set-Cookie: a=1", "X-Mixed-CASE: x", "Set-Cookie: b=2")))
    response = client.get()
    assert response.all("set-cookie") == ["a=1", "b=2"]
    assert response["x-mixed-case"] == "x"


def test_crumbs_of_a_cookie_are_joined(proxied):
    """RFC 9113, 8.2.3."""
    app, _, client = proxied(echoes)
    client.get("/", ("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3"))
    assert app.requests[0].all("cookie") == ["a=1; b=2; c=3"]


def test_options_for_the_whole_server_passes(proxied):
    app, _, client = proxied(answers())
    assert client.exchange(head("OPTIONS", "*")).status == 200
    assert app.requests[0].start == "OPTIONS * HTTP/1.1"


def test_a_host_field_alone_names_the_authority(proxied):
    app, _, client = proxied(answers())
    fields = [(":method", "GET"), (":scheme", "https"), (":path", "/"), ("host", "named.test")]
    assert client.exchange(fields).status == 200
    assert app.requests[0].all("host") == ["named.test"]


def test_odd_but_valid_values_pass(proxied):
    app, _, client = proxied(answers(reply(b"ok", "X-Odd: caf\xe9")))
    assert client.get("/", ("x-odd", "caf\xe9 \t\xff"))["x-odd"] == "caf\xe9"
    assert app.requests[0]["x-odd"] == "caf\xe9 \t\xff"


def left(app) -> bool:
    """Whether the balancer left the first connection."""
    return bool(app.connections) and app.connections[0].sock.fileno() == -1


def test_a_reset_by_the_client_reaches_the_server(proxied):
    def waits(connection: Connection) -> None:
        connection.request()
        connection.some()

    app, proxy, client = proxied(waits)
    stream = client.start(head())
    assert eventually(lambda: app.requests)
    client.reset(stream, CANCEL)
    assert eventually(lambda: left(app))
    assert eventually(lambda: proxy.stats().in_flight == 0)


def test_a_reset_in_the_middle_of_a_body_never_looks_whole(proxied):
    app, _, client = proxied(echoes)
    stream = client.start(head("POST"), end=False)
    client.data(stream, b"some")
    assert eventually(lambda: b"some" in app.received)
    client.reset(stream, CANCEL)
    assert eventually(lambda: left(app))
    assert not app.requests[0].complete


def test_a_connection_that_breaks_breaks_its_requests(proxied):
    app, _, client = proxied(echoes)
    stream = client.start(head("POST"), end=False)
    client.data(stream, b"some")
    assert eventually(lambda: b"some" in app.received)
    client.close()
    assert eventually(lambda: left(app))
    assert not app.requests[0].complete


def test_a_reset_leaves_the_other_streams_alone(proxied):
    gate = Gate(reply(b"fine"))
    _, _, client = proxied(gate)
    streams = [client.start(head()) for _ in range(3)]
    assert eventually(lambda: gate.waiting == 3)
    client.reset(streams[1], CANCEL)
    gate.open()
    assert [client.response(stream).body for stream in (streams[0], streams[2])] == [b"fine", b"fine"]


def test_a_server_that_breaks_off_resets_one_stream(proxied):
    def by_target(connection: Connection) -> None:
        while message := connection.request():
            if message.target == "/cut":
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
                return
            connection.send(reply())

    _, _, client = proxied(by_target)
    response = client.get("/cut")
    assert (response.body, response.ended) == (b"hello", False)
    assert response.reset is not None
    assert client.get("/fine").body == b"ok"


def test_a_body_over_the_limit_is_refused(proxied):
    app, _, client = proxied(echoes, options={"max_body": 1000})
    stream = client.start(head("POST", "/", ("content-length", "1001")), end=False)
    assert client.started(stream).status == 413
    stream = client.start(head("POST"), end=False)
    client.data(stream, bytes(1001))
    assert client.started(stream).status == 413
    assert client.exchange(head("POST"), bytes(1000)).status == 200
    assert [message.complete for message in app.requests if message.body != b""].count(True) == 1


def test_a_refusal_during_an_upload_leaves_the_connection(proxied):
    def refuses(connection: Connection) -> None:
        while (message := connection.head()) and message.method == "GET":
            connection.send(reply())
        connection.send(reply(b"no", "Connection: close", status="401 Unauthorized"))

    _, _, client = proxied(refuses)
    stream = client.start(head("POST"), end=False)
    client.data(stream, bytes(10_000))
    response = client.response(stream)
    assert (response.status, response.body, response.ended) == (401, b"no", True)
    assert client.get().body == b"ok"


def test_a_switch_of_protocols_is_a_502(proxied):
    _, _, client = proxied(answers(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"))
    assert client.get().status == 502


def test_a_reset_in_the_queue_gives_the_place_back(start_server, start_balancer, tls):
    gate = Gate()
    app = start_server(gate)
    proxy = start_balancer([Server("s0", app.address, capacity=1)], tls=tls, options={"queue_timeout": 30.0})
    client = proxy.http2()
    first = client.start(head("GET", "/first"))
    assert eventually(lambda: gate.waiting == 1)
    queued = client.start(head("GET", "/queued"))
    assert eventually(lambda: proxy.engine.counters().queued == 1)
    client.reset(queued, CANCEL)
    assert eventually(lambda: proxy.engine.counters().queued == 0)
    gate.open()
    assert client.response(first).status == 200
    assert app.targets == ["/first"]


def test_a_goaway_of_the_client_lets_its_streams_end(proxied):
    gate = Gate(reply(b"finished"))
    _, _, client = proxied(gate)
    stream = client.start(head())
    assert eventually(lambda: gate.waiting == 1)
    client.raw(b"\0\0\x08\x07\0\0\0\0\0" + bytes(8))
    gate.open()
    assert client.response(stream).body == b"finished"


def test_pings_are_answered(proxied):
    _, _, client = proxied(echoes)
    client.h2.ping(b"12345678")
    client.flush()
    client.until(lambda: client.pongs == 1)


def test_requests_are_counted(proxied):
    _, proxy, client = proxied(echoes)
    for _ in range(3):
        client.get()
    assert eventually(lambda: proxy.engine.counters().responses["2xx"] == 3)
    assert proxy.engine.counters().requests_http2 == 3
    assert proxy.engine.counters().requests_http1 == 0
