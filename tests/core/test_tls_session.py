"""The server's end of TLS without a socket, between two buffers of OpenSSL's client."""

from __future__ import annotations

import contextlib
import ssl
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace._core import Tls, TlsError, TlsSession

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
SIZES = [1, 700, 16_383, 16_384, 16_385, 65_535, 65_536, 1_000_000]
OF_ONE_FIXTURE = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Wire:
    """A client of OpenSSL's and a session of ours; bytes travel when they are told to."""

    def __init__(self, tls: Tls, context: ssl.SSLContext, resumed: ssl.SSLSession | None = None) -> None:
        self.session = TlsSession(tls)
        self.plaintext = b""
        self.ended = False
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = context.wrap_bio(self._in, self._out, server_hostname="localhost", session=resumed)

    def sent(self) -> bytes:
        """What the client wants to send."""
        return self._out.read()

    def to_server(self, ciphertext: bytes) -> None:
        plaintext, reply, self.ended = self.session.receive(ciphertext)
        self.plaintext += plaintext
        self.to_client(reply)

    def to_client(self, ciphertext: bytes) -> None:
        self._in.write(ciphertext)

    def end_of_stream(self) -> None:
        self._in.write_eof()

    def read(self) -> bytes:
        """All that the client can decrypt; `b""` at an announced end, too."""
        got = b""
        while True:
            try:
                piece = self.client.read(65_536)
            except ssl.SSLWantReadError:
                return got
            if not piece:
                return got
            got += piece

    def shake_hands(self) -> Wire:
        while self._step():
            self.to_server(self.sent())
        self.to_server(self.sent())
        assert not self.session.handshaking
        return self

    def _step(self) -> bool:
        """Whether the client wants to hear more."""
        try:
            self.client.do_handshake()
        except ssl.SSLWantReadError:
            return True
        return False


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def version(request) -> ssl.TLSVersion:
    return request.param


@pytest.fixture
def wire(tls, authority, version) -> Wire:
    return Wire(tls, authority.client_context(version=version)).shake_hands()


@pytest.mark.parametrize("size", SIZES)
def test_what_either_side_sends_reaches_the_other(wire, size):
    data = bytes(range(256)) * (size // 256 + 1)
    wire.client.write(data[:size])
    wire.to_server(wire.sent())
    assert wire.plaintext == data[:size]
    wire.to_client(wire.session.send(data[:size]))
    assert wire.read() == data[:size]


def test_nothing_to_send_is_nothing_on_the_wire(wire):
    assert wire.session.send(b"") == b""


@OF_ONE_FIXTURE
@given(cuts=st.lists(st.integers(0, 40_000), max_size=30))
def test_any_split_of_the_input_gives_the_same(tls, authority, cuts):
    wire = Wire(tls, authority.client_context())
    wire.shake_hands()
    data = b"0123456789" * 3_500
    wire.client.write(data)
    ciphertext = wire.sent()
    edges = sorted({0, len(ciphertext), *(cut for cut in cuts if cut < len(ciphertext))})
    for begin, end in pairwise(edges):
        wire.to_server(ciphertext[begin:end])
    assert wire.plaintext == data


def test_a_handshake_may_come_byte_by_byte(tls, authority, version):
    wire = Wire(tls, authority.client_context(version=version))
    with pytest.raises(ssl.SSLWantReadError):
        wire.client.do_handshake()
    for byte in wire.sent():
        wire.to_server(bytes([byte]))
    wire.shake_hands()


def test_closing_announces_the_end(wire):
    wire.to_client(wire.session.send(b"last words") + wire.session.close())
    wire.end_of_stream()
    assert wire.client.read(100) == b"last words"
    assert wire.client.read(100) == b""
    assert wire.session.close() == b""


def test_without_it_the_client_sees_a_cut(wire):
    wire.to_client(wire.session.send(b"last words"))
    wire.end_of_stream()
    assert wire.client.read(100) == b"last words"
    with pytest.raises(ssl.SSLEOFError):
        wire.client.read(100)


def test_the_clients_announced_end_is_told_with_what_came_before_it(wire):
    wire.client.write(b"last words")
    with pytest.raises(ssl.SSLWantReadError):
        wire.client.unwrap()
    wire.to_server(wire.sent())
    assert wire.plaintext == b"last words"
    assert wire.ended


def test_a_session_is_resumed(tls, authority, version):
    context = authority.client_context(version=version)
    first = Wire(tls, context).shake_hands()
    first.to_client(first.session.send(b"x"))
    first.read()  # TLS 1.3's tickets come behind the handshake
    assert Wire(tls, context, first.client.session).shake_hands().client.session_reused


@pytest.mark.parametrize(("http2", "asked", "chosen"), [
    (True, ["h2", "http/1.1"], "h2"),
    (False, ["h2", "http/1.1"], "http/1.1"),
    (False, [], None),
])  # fmt: skip
def test_the_protocol_is_agreed_upon(localhost, authority, http2, asked, chosen):
    wire = Wire(Tls([localhost.pair], http2=http2), authority.client_context(*asked)).shake_hands()
    assert wire.client.selected_alpn_protocol() == chosen


def test_a_client_with_no_protocol_in_common_is_told(localhost, authority):
    wire = Wire(Tls([localhost.pair], http2=False), authority.client_context("h2"))
    with pytest.raises(TlsError):
        wire.shake_hands()
    wire.to_client(wire.session.close())
    with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
        wire.client.do_handshake()


def test_nothing_is_sent_before_the_handshake(tls):
    with pytest.raises(TlsError, match="handshake"):
        TlsSession(tls).send(b"secret")


def test_a_forged_record_ends_it_with_an_alert(wire):
    wire.client.write(b"pay 10")
    forged = bytearray(wire.sent())
    forged[-1] ^= 1
    with pytest.raises(TlsError):
        wire.session.receive(bytes(forged))
    wire.to_client(wire.session.close())
    with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
        wire.client.read(100)


def test_a_record_of_impossible_length_is_refused(wire):
    with pytest.raises(TlsError):
        wire.session.receive(b"\x17\x03\x03\xff\xff" + bytes(100_000))


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(garbage=st.lists(st.one_of(st.binary(max_size=300), st.just(b"\x16\x03\x01\x00\xff\x01")), max_size=5))
def test_garbage_ends_in_an_error_or_in_waiting_for_more(tls, garbage):
    session = TlsSession(tls)
    with contextlib.suppress(TlsError):
        for piece in garbage:
            assert session.receive(piece)[0] == b""
    assert isinstance(session.close(), bytes)


@OF_ONE_FIXTURE
@given(garbage=st.binary(min_size=1, max_size=2_000), header=st.booleans())
def test_garbage_behind_the_handshake_never_becomes_plaintext(tls, authority, garbage, header):
    wire = Wire(tls, authority.client_context()).shake_hands()
    record = b"\x17\x03\x03" + len(garbage).to_bytes(2, "big") if header else b""
    with contextlib.suppress(TlsError):
        assert wire.session.receive(record + garbage) == (b"", b"", False)
