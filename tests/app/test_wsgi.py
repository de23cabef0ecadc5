"""WSGI apps behind our bridge, asked over a real socket."""

import asyncio
import sys
import threading
import time
from wsgiref.validate import validator

import pytest

from headrace.app.wsgi import Bridge

GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def post(body: bytes, *fields: bytes) -> bytes:
    head = [b"POST /p HTTP/1.1", b"Host: a", b"Connection: close", b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join([*head, b"", body])


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


async def test_an_app_passes_the_standard_librarys_judge(serve):
    @validator
    def app(environ, start_response):
        environ["wsgi.input"].read(3)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [b"ok"]

    served = await serve(Bridge(app))
    assert body_of(await served.ask(GET)) == b"ok"
    assert body_of(await served.ask(post(b"abcdef"))) == b"ok"


async def test_the_environ_says_what_was_asked(serve):
    seen = {}

    def app(environ, start_response):
        seen.update(environ)
        start_response("204 No Content", [])
        return []

    served = await serve(Bridge(app))
    await served.ask(
        b"PUT /caf%C3%A9/%FF?q=%C3%A9 HTTP/1.1\r\nHost: shop\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n"
        b"X-Two: 1\r\nX-Two: 2\r\nCookie: a=1\r\nCookie: b=2\r\nX_Two: forged\r\nProxy: evil\r\n"
        b"Connection: close\r\n\r\n"
    )
    assert seen["REQUEST_METHOD"] == "PUT"
    assert seen["PATH_INFO"].encode("latin-1") == "/café/".encode() + b"\xff"
    assert seen["QUERY_STRING"] == "q=%C3%A9"
    assert (seen["HTTP_HOST"], seen["CONTENT_TYPE"], seen["CONTENT_LENGTH"]) == ("shop", "text/plain", "0")
    assert seen["HTTP_X_TWO"] == "1,2"
    assert seen["HTTP_COOKIE"] == "a=1; b=2"
    assert "HTTP_PROXY" not in seen
    assert (seen["REMOTE_ADDR"], seen["SERVER_PORT"]) == ("127.0.0.1", str(served.port))
    assert (seen["wsgi.url_scheme"], seen["SCRIPT_NAME"]) == ("http", "")


async def test_a_body_is_read_as_it_is_asked_for(serve):
    def app(environ, start_response):
        start_response("200 OK", [])
        body = environ["wsgi.input"]
        return [b"|".join([body.read(4), body.readline(), body.readline(3), body.read()])]

    assert body_of(await (await serve(Bridge(app))).ask(post(b"abcdefg\nhijklm"))) == b"abcd|efg\n|hij|klm"


async def test_reads_wait_for_what_is_still_on_its_way(serve):
    def app(environ, start_response):
        start_response("200 OK", [])
        body = environ["wsgi.input"]
        assert "HTTP_TRANSFER_ENCODING" not in environ
        return [b"|".join([body.read(4), body.readline(9), body.read(100), body.read(1)])]

    wire = await (await serve(Bridge(app))).wire()
    wire.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
    for piece in (b"ab", b"cdef", b"g\nh", b"ij"):
        await asyncio.sleep(0.02)
        wire.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    assert body_of(await wire.ask(b"0\r\n\r\n")) == b"abcd|efg\n|hij|"


async def test_a_large_upload_comes_in_as_fast_as_the_app_reads_it(serve):
    go_on = threading.Event()

    def app(environ, start_response):
        count = len(environ["wsgi.input"].read(1000))
        assert go_on.wait(10)
        while block := environ["wsgi.input"].read(65536):
            count += len(block)
        start_response("200 OK", [])
        return [str(count).encode()]

    size = 50_000_000
    wire = await (await serve(Bridge(app))).wire()
    wire.writer.write(post(bytes(size)))
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(wire.writer.drain(), 0.3)
    go_on.set()
    assert body_of(await asyncio.wait_for(wire.reader.read(), 20)) == str(size).encode()


async def test_blocks_leave_when_they_are_made(serve):
    go_on = threading.Event()

    def app(environ, start_response):
        start_response("200 OK", [])
        yield b"first"
        assert go_on.wait(10)
        yield b""
        yield b"second"

    wire = await (await serve(Bridge(app))).wire()
    wire.writer.write(GET)
    assert await asyncio.wait_for(wire.reader.readuntil(b"first"), 5)
    go_on.set()
    assert b"second" in await asyncio.wait_for(wire.reader.read(), 5)


async def test_a_slow_reader_slows_the_app(serve):
    made = 0

    def app(environ, start_response):
        nonlocal made
        start_response("200 OK", [])
        for made in range(1000):  # noqa: B007 - the test looks at it
            yield bytes(100_000)

    wire = await (await serve(Bridge(app))).wire()
    wire.writer.write(GET)
    await wire.head()
    before = -1
    while before != made:
        before = made
        await asyncio.sleep(0.2)
    assert made < 900


async def test_an_app_is_stopped_and_closed_when_the_client_has_gone(serve):
    closed = threading.Event()

    class Endless:
        def __iter__(self):
            while True:
                time.sleep(0.005)
                yield b"more"

        def close(self):
            closed.set()

    def app(environ, start_response):
        start_response("200 OK", [])
        return Endless()

    wire = await (await serve(Bridge(app))).wire()
    wire.writer.write(GET)
    await wire.head()
    wire.writer.close()
    assert await asyncio.to_thread(closed.wait, 5)


async def test_headers_can_be_replaced_until_the_first_block(serve):
    def app(environ, start_response):
        start_response("200 OK", [("X-First", "1")])
        try:
            int("x")
        except ValueError:
            start_response("500 Oh", [("X-Second", "2")], sys.exc_info())
        return [b"sorry"]

    answer = await (await serve(Bridge(app))).ask(GET)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"X-First" not in answer
    assert b"X-Second" in answer


@pytest.mark.parametrize("where", ["before", "after"])
async def test_an_app_that_raises_is_answered_for_or_breaks_off(serve, where, caplog):
    def app(environ, start_response):
        start_response("200 OK", [])
        if where == "after":
            yield b"half"
        raise ValueError("broken")

    wire = await (await serve(Bridge(app))).wire()
    wire.writer.write(GET)
    if where == "before":
        assert (await wire.head()).startswith(b"HTTP/1.1 500 ")
    else:
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await wire.reader.readuntil(b"0\r\n\r\n")


async def test_the_old_fashioned_write_works(serve):
    def app(environ, start_response):
        write = start_response("200 OK", [])
        write(b"one,")
        write(b"two,")
        return [b"three"]

    answer = body_of(await (await serve(Bridge(app))).ask(GET))
    assert answer == b"4\r\none,\r\n4\r\ntwo,\r\n5\r\nthree\r\n0\r\n\r\n"


async def test_a_body_as_long_as_it_says_isnt_waited_for_longer(serve):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "5")])
        yield b"whole"
        raise AssertionError("nobody asks for more")

    assert body_of(await (await serve(Bridge(app))).ask(GET)) == b"whole"


async def test_an_app_without_start_response_is_an_error(serve, caplog):
    answer = await (await serve(Bridge(lambda environ, start_response: [b"x"]))).ask(GET)
    assert answer.startswith(b"HTTP/1.1 500 ")


async def test_many_are_answered_at_once(serve):
    together = threading.Barrier(20)

    def app(environ, start_response):
        together.wait(10)
        start_response("200 OK", [])
        return [b"ok"]

    served = await serve(Bridge(app))
    answers = await asyncio.gather(*(served.ask(GET) for _ in range(20)))
    assert all(body_of(answer) == b"ok" for answer in answers)


async def test_continue_is_said_when_the_app_reads(serve):
    def app(environ, start_response):
        body = environ["wsgi.input"].read()
        start_response("200 OK", [])
        return [body]

    wire = await (await serve(Bridge(app))).wire()
    wire.writer.write(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    assert await wire.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert body_of(await wire.ask(b"ab")) == b"ab"
