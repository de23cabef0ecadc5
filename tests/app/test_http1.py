"""Bytes on the wire, between a raw socket and an app behind our protocol class."""

import asyncio
import logging

import pytest

from headrace.app import exchange, http1, lingering

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def replies(body=b"ok", fields=(), status=200):
    """An app that always says the same."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": list(fields)})
        await send({"type": "http.response.body", "body": body})

    return app


async def echo(scope, receive, send):
    """Gives back what it gets, while it gets it."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


class Scopes:
    """An app that remembers who asked it what."""

    def __init__(self):
        self.seen = []

    async def __call__(self, scope, receive, send):
        self.seen.append(scope)
        await replies()(scope, receive, send)


async def test_a_connection_serves_many_requests(serve):
    wire = await (await serve(replies())).wire()
    for _ in range(3):
        wire.writer.write(GET)
        assert (await wire.head()).startswith(b"HTTP/1.1 200 OK\r\n")
        assert await wire.reader.readexactly(2) == b"ok"


async def test_pipelined_requests_are_answered_in_order(serve):
    async def app(scope, receive, send):
        await asyncio.sleep(0.05 if scope["path"] == "/first" else 0)
        await replies(scope["path"].encode())(scope, receive, send)

    first = b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = await (await serve(app)).ask(first + GET.replace(b"/", b"/second", 1) + LAST.replace(b"/", b"/third", 1))
    assert [part for part in (b"/first", b"/second", b"/third") if part in answer] == [b"/first", b"/second", b"/third"]
    assert answer.index(b"/first") < answer.index(b"/second") < answer.index(b"/third")


async def test_the_scope_says_what_was_asked(serve):
    app = Scopes()
    served = await serve(app, state={"pool": 1})
    request = b"POST /caf%C3%A9%2Fx?q=%20a&q HTTP/1.1\r\nHost: a\r\nX-Two: 1\r\nx-two: 2\r\nContent-Length: 0\r\n\r\n"
    await served.ask(request + LAST)
    scope = app.seen[0]
    assert (scope["method"], scope["path"], scope["raw_path"]) == ("POST", "/café/x", b"/caf%C3%A9%2Fx")
    assert scope["query_string"] == b"q=%20a&q"
    assert [value for name, value in scope["headers"] if name == b"x-two"] == [b"1", b"2"]
    assert (scope["scheme"], scope["http_version"], scope["state"]) == ("http", "1.1", {"pool": 1})
    assert scope["client"][0] == "127.0.0.1"
    assert scope["server"] == ("127.0.0.1", served.port)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [(b"*", "*", b""), (b"http://a/p?q", "/p", b"q"), (b"http://a", "/", b""), (b"/p#f?q", "/p", b"")],
)
async def test_targets_of_other_forms(serve, target, path, query):
    app = Scopes()
    await (await serve(app)).ask(b"OPTIONS " + target + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert (app.seen[0]["path"], app.seen[0]["query_string"]) == (path, query)


async def test_what_one_request_puts_into_the_state_stays_there(serve):
    async def app(scope, receive, send):
        known = "mine" in scope["state"]
        scope["state"]["mine"] = True
        await replies(str(known).encode())(scope, receive, send)

    answer = await (await serve(app)).ask(GET + LAST)
    assert b"True" not in answer


async def test_http_1_0_is_answered_and_closed(serve):
    answer = await (await serve(replies())).ask(b"GET / HTTP/1.0\r\n\r\n")
    assert b"connection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\nok")


async def test_chunks_come_in_and_go_out_while_they_come(serve):
    wire = await (await serve(echo)).wire()
    wire.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    await wire.head()
    assert await wire.reader.readuntil(b"abc\r\n") == b"3\r\nabc\r\n"
    wire.writer.write(b"2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n" + LAST)
    assert (await wire.reader.readuntil(b"0\r\n\r\n")) == b"2\r\nde\r\n0\r\n\r\n"
    assert (await wire.head()).startswith(b"HTTP/1.1 200")


async def test_trailers_are_no_headers(serve):
    app = Scopes()
    body = b"0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"
    request = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    await (await serve(app)).ask(request + body)
    assert b"x-forwarded-for" not in dict(app.seen[0]["headers"])


async def test_continue_is_said_when_the_app_wants_the_body(serve):
    wire = await (await serve(echo)).wire()
    wire.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n")
    with pytest.raises(asyncio.TimeoutError):
        # This app answers before it reads, so nobody is told to go on.
        await asyncio.wait_for(wire.reader.readuntil(b"100 Continue"), 0.1)

    async def reads_first(scope, receive, send):
        await receive()
        await replies()(scope, receive, send)

    wire = await (await serve(reads_first)).wire()
    wire.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n")
    assert await wire.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.writer.write(b"ab")
    assert (await wire.head()).startswith(b"HTTP/1.1 200")


async def test_an_unread_upload_doesnt_hinder_the_next_request(serve):
    size = 3_000_000
    upload = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)
    answer = await (await serve(replies())).ask(upload + LAST)
    assert answer.count(b"HTTP/1.1 200 OK") == 2


async def test_a_body_that_the_app_doesnt_read_is_not_taken_from_the_wire(serve):
    release = asyncio.Event()

    async def app(scope, receive, send):
        await release.wait()
        await replies()(scope, receive, send)

    wire = await (await serve(app)).wire()
    size = 50_000_000
    wire.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(wire.writer.drain(), 0.3)
    release.set()
    assert (await wire.head()).startswith(b"HTTP/1.1 200")


async def test_a_slow_reader_slows_the_app(serve):
    sent = 0

    async def app(scope, receive, send):
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
            sent += 1
        await send({"type": "http.response.body", "body": b""})

    wire = await (await serve(app)).wire()
    wire.writer.write(GET)
    await wire.head()
    before = -1
    while before != sent:
        before = sent
        await asyncio.sleep(0.1)
    assert sent < 900
    while sent < 1000:
        await wire.reader.read(1_000_000)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1 \x00\r\n\r\n",
        b"G\x01T / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nName : value\r\n\r\n",
        b"GET http:// HTTP/1.1\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_cant_be_parsed_is_refused_and_closed(serve, request_bytes):
    app = Scopes()
    answer = await (await serve(app)).ask(request_bytes + GET)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert app.seen == []


async def test_rubbish_behind_a_request_ends_the_connection_without_mixing(serve):
    release = asyncio.Event()

    async def app(scope, receive, send):
        await release.wait()
        await replies()(scope, receive, send)

    wire = await (await serve(app)).wire()
    wire.writer.write(GET + b"\x00\x01\x02\r\n\r\n")
    assert await asyncio.wait_for(wire.reader.read(), 5) == b""
    release.set()


async def test_a_head_without_end_is_refused(serve):
    served = await serve(replies())
    wire = await served.wire()
    wire.writer.write(b"GET / HTTP/1.1\r\n")
    await asyncio.wait_for(begun(served), 10)  # what comes with the first read isn't counted
    wire.writer.write((b"X-Long: " + b"x" * 4086 + b"\r\n") * (http1.HEAD_BYTES // 4096))
    assert (await wire.head()).startswith(b"HTTP/1.1 431 ")


async def test_a_refusal_reaches_a_client_that_goes_on_sending(serve):
    wire = await (await serve(replies())).wire()
    wire.writer.write(b"G\x01T / HTTP/1.1\r\n\r\n")
    for _ in range(20):
        wire.writer.write(bytes(10_000))
        await asyncio.sleep(0.005)
    assert (await asyncio.wait_for(wire.reader.read(), 5)).startswith(b"HTTP/1.1 400 ")


async def test_a_client_that_was_refused_and_stays_is_cut_in_time(serve, monkeypatch):
    monkeypatch.setattr(lingering, "LINGER_SECONDS", 0.1)
    served = await serve(replies())
    wire = await served.wire()
    assert (await wire.ask(b"G\x01T / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    await asyncio.wait_for(all_gone(served), 10)


async def test_a_client_that_was_refused_and_sends_without_end_is_cut(serve):
    wire = await (await serve(replies())).wire()
    wire.writer.write(b"G\x01T / HTTP/1.1\r\n\r\n")
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(pour(wire.writer), 10)


async def pour(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(bytes(100_000))
        await writer.drain()


async def all_gone(served) -> None:
    """Returns when the server has no connection any more."""
    while served.server.server_state.connections:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def begun(served) -> None:
    """Returns when the server has read the beginning of a head."""
    while not any(connection._head_bytes for connection in served.server.server_state.connections):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_a_body_isnt_counted_to_the_head_behind_it(serve):
    wire = await (await serve(replies())).wire()
    upload = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + bytes(200_000)
    wire.writer.write(upload + LAST[:20])
    await wire.head()
    assert b"HTTP/1.1 200" in await wire.ask(LAST[20:])


async def test_a_head_that_takes_too_long_is_refused(serve, monkeypatch):
    monkeypatch.setattr(http1, "HEAD_SECONDS", 0.1)
    answer = await (await serve(replies())).ask(b"GET / HTTP/1.1\r\nHost: a\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_connection_that_says_nothing_is_closed(serve, monkeypatch):
    monkeypatch.setattr(http1, "HEAD_SECONDS", 0.1)
    assert await (await serve(replies())).ask(b"") == b""


async def test_an_idle_connection_is_closed_after_its_time_and_not_before(serve):
    wire = await (await serve(replies(), keep_alive=1.0)).wire()
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await wire.ask(GET)).endswith(b"ok")
    assert loop.time() - began >= 1.0


async def test_an_app_that_fails_is_answered_for(serve, caplog):
    async def app(scope, receive, send):
        scope["path"] = "changed by a router"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-secret", b"1")]})
        raise ValueError("broken")

    answer = await (await serve(app)).ask(LAST)
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"x-secret" not in answer
    assert "the app failed on GET /" in caplog.text


async def test_an_app_that_fails_midway_leaves_no_whole_response(serve):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("broken")

    wire = await (await serve(app)).wire()
    wire.writer.write(GET)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await wire.reader.readuntil(b"0\r\n\r\n")


async def test_a_refusal_reaches_a_client_that_still_sends(serve):
    size = 3_000_000
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size
    for _ in range(5):
        answer = await (await serve(replies(status=413))).ask(head + bytes(size))
        assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("failing", ["returns", "header"])
async def test_an_app_that_says_nothing_or_nonsense_gives_500(serve, failing):
    async def app(scope, receive, send):
        if failing == "header":
            await replies(fields=[(b"location", b"a\r\nset-cookie: forged=1")])(scope, receive, send)

    answer = await (await serve(app)).ask(LAST)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"forged" not in answer


async def test_the_app_learns_that_the_client_has_gone(serve):
    learned = asyncio.Event()

    async def app(scope, receive, send):
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})
        learned.set()

    wire = await (await serve(app)).wire()
    wire.writer.write(GET)
    await wire.writer.drain()
    wire.writer.close()
    await asyncio.wait_for(learned.wait(), 5)


async def test_after_its_answer_the_app_hears_of_a_disconnect(serve):
    heard = asyncio.Event()

    async def app(scope, receive, send):
        await receive()
        await replies()(scope, receive, send)
        assert (await receive())["type"] == "http.disconnect"
        heard.set()

    await (await serve(app)).ask(LAST)
    await asyncio.wait_for(heard.wait(), 5)


async def test_work_behind_the_answer_holds_nobody_up(serve):
    release = asyncio.Event()

    async def app(scope, receive, send):
        await replies()(scope, receive, send)
        await release.wait()

    answer = await asyncio.wait_for((await serve(app)).ask(GET + LAST), 5)
    assert answer.count(b"HTTP/1.1 200") == 2
    release.set()


async def test_an_upgrade_that_nobody_wants_is_an_ordinary_request(serve):
    upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    answer = await (await serve(replies())).ask(upgrade)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer


async def test_a_websocket_talks_and_frames_behind_the_handshake_arrive(serve):
    async def app(scope, receive, send):
        assert scope["type"] == "websocket"
        await receive()
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"] + scope["path"]})
        await send({"type": "websocket.close"})

    wire = await (await serve(app)).wire()
    masked = bytes([0x81, 0x82, 0, 0, 0, 0]) + b"hi"
    wire.writer.write(
        b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + masked
    )
    assert (await wire.head()).startswith(b"HTTP/1.1 101 ")
    assert await asyncio.wait_for(wire.reader.readuntil(b"hi/chat"), 5)


async def test_at_the_end_a_request_under_way_is_finished_and_idle_ones_are_closed(serve, caplog):
    caplog.set_level(logging.WARNING)
    release = asyncio.Event()

    async def app(scope, receive, send):
        await release.wait()
        await replies()(scope, receive, send)

    served = await serve(app)
    idle, busy = await served.wire(), await served.wire()
    busy.writer.write(GET)
    await asyncio.sleep(0.05)
    served.server.stop(5.0)
    assert await asyncio.wait_for(idle.reader.read(), 5) == b""
    release.set()
    answer = await asyncio.wait_for(busy.reader.read(), 5)
    assert b"connection: close" in answer
    assert answer.endswith(b"ok")


def test_the_high_water_is_what_asyncio_has():
    assert exchange.HIGH_WATER == 65536


async def test_requests_read_in_either_way_can_follow_each_other(serve):
    app = Scopes()
    wire = await (await serve(app)).wire()
    body = b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
    head = b"GET /%d?q HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n"
    pieces = [
        [head % 0],
        [body % 1],
        [head % 2],
        [(head % 3)[:20], (head % 3)[20:]],
        [head % 4],
        [(body % 5)[:-1], b"i"],
        [head % 6],
        [b"\r\n" + head % 7],
        [head % 8],
    ]
    for number, request in enumerate(pieces):
        for piece in request:
            wire.writer.write(piece)
            await asyncio.sleep(0.01)
        assert (await wire.head()).startswith(b"HTTP/1.1 200 OK\r\n")
        assert await wire.reader.readexactly(2) == b"ok"
        assert app.seen[number]["path"] == f"/{number}"
    assert [scope["headers"] for scope in app.seen[::2]] == [[(b"host", b"a"), (b"x-a", b"b")]] * 5


async def test_a_request_behind_the_last_one_is_not_answered(serve):
    app = Scopes()
    wire = await (await serve(app)).wire()
    wire.writer.write(LAST.replace(b"/", b"/last", 1))
    wire.writer.write(GET)
    await wire.reader.read()
    wire.writer.write(GET)
    assert [scope["path"] for scope in app.seen] == ["/last"]


async def test_a_request_between_the_pieces_of_a_body_is_body(serve):
    app = Scopes()
    wire = await (await serve(app)).wire()
    wire.writer.write(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(GET))
    await wire.head()
    wire.writer.write(GET)
    await asyncio.sleep(0.05)
    wire.writer.write(LAST.replace(b"/", b"/last", 1))
    await wire.reader.read()
    assert [scope["path"] for scope in app.seen] == ["/upload", "/last"]
