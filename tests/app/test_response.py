import pytest

from headrace.app.response import Response, ResponseError

DATE = b"date: Mon, 23 Nov 2026 06:00:00 GMT\r\n"


def made(*pieces: bytes, fields=(), status=200, method="GET", version="1.1", keep_alive=True) -> bytes:
    response = Response(method, version, keep_alive=keep_alive)
    response.start(status, fields, DATE)
    written = [response.piece(piece, more=number < len(pieces)) for number, piece in enumerate(pieces, 1)]
    return b"".join(b"".join(piece) for piece in written)


def test_head_and_first_piece_are_one_write():
    response = Response("GET", "1.1", keep_alive=True)
    response.start(200, [(b"content-type", b"text/plain")], DATE)
    assert response.piece(b"hello", more=False) == [
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n" + DATE + b"content-length: 5\r\n\r\nhello"
    ]


def test_nothing_is_visible_before_the_first_piece():
    response = Response("GET", "1.1", keep_alive=True)
    response.start(200, [], DATE)
    assert not response.visible


def test_a_body_of_unknown_length_is_chunked():
    assert made(b"abc", b"", b"defg").endswith(b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")


def test_an_empty_last_piece_ends_the_chunks():
    assert made(b"abc", b"").endswith(b"3\r\nabc\r\n0\r\n\r\n")


def test_to_http_1_0_a_body_of_unknown_length_ends_with_the_connection():
    written = made(b"abc", b"def", version="1.0", keep_alive=True)
    assert b"chunked" not in written
    assert written.endswith(b"connection: close\r\n\r\nabcdef")


def test_the_apps_length_is_kept():
    assert made(b"abc", b"def", fields=[(b"content-length", b"6")]).endswith(b"\r\n\r\nabcdef")


@pytest.mark.parametrize("pieces", [(b"abc",), (b"abcdefg",), (b"abc", b""), (b"abc", b"defg")])
def test_a_body_that_belies_its_length_is_an_error(pieces):
    with pytest.raises(ResponseError):
        made(*pieces, fields=[(b"Content-Length", b"6")])


def test_a_head_request_gets_the_length_and_no_body():
    assert made(b"abcdef", fields=[(b"content-length", b"6")], method="HEAD").endswith(b"6\r\n" + DATE + b"\r\n")


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_body_gets_neither_body_nor_framing(status):
    written = made(b"ignored", status=status)
    assert b"content-length" not in written
    assert written.endswith(b"\r\n\r\n")


def test_framing_is_ours_alone():
    written = made(b"abc", fields=[(b"Transfer-Encoding", b"gzip, chunked"), (b"Connection", b"upgrade")])
    assert b"gzip" not in written
    assert b"upgrade" not in written
    assert b"content-length: 3" in written


def test_an_app_may_ask_for_the_close():
    assert b"connection: close\r\n" in made(b"", fields=[(b"connection", b"Close")])


def test_the_apps_own_date_is_the_only_one():
    written = made(b"", fields=[(b"Date", b"yesterday")])
    assert written.lower().count(b"date:") == 1


def test_a_repeated_field_stays_repeated():
    written = made(b"", fields=[(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")])
    assert b"set-cookie: a=1\r\nset-cookie: b=2\r\n" in written


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\nx: y", b"a\rb", b"a\0b", b"a\r\n\r\n<html>"])
def test_a_field_cant_forge_lines(value):
    response = Response("GET", "1.1", keep_alive=True)
    with pytest.raises(ResponseError):
        response.start(200, [(b"location", value)], DATE)
    assert not response.started


@pytest.mark.parametrize("name", [b"a\r\nx", b"a\n"])
def test_a_fields_name_cant_either(name):
    with pytest.raises(ResponseError):
        Response("GET", "1.1", keep_alive=True).start(200, [(name, b"v")], DATE)


def test_an_unknown_status_has_no_phrase():
    assert made(b"", status=299).startswith(b"HTTP/1.1 299 \r\n")


def test_a_large_piece_isnt_copied():
    body = bytes(100_000)
    response = Response("GET", "1.1", keep_alive=True)
    response.start(200, [(b"content-length", b"100000")], DATE)
    assert response.piece(body, more=False)[1] is body


def test_the_order_of_messages_is_kept():
    response = Response("GET", "1.1", keep_alive=True)
    with pytest.raises(ResponseError):
        response.piece(b"", more=False)
    response.start(200, [], DATE)
    with pytest.raises(ResponseError):
        response.start(200, [], DATE)
    response.piece(b"", more=False)
    with pytest.raises(ResponseError):
        response.piece(b"", more=False)
