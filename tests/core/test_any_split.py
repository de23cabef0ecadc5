"""However the bytes are cut on their way, the responses are the same: a property of the whole path, not of a parser."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .app_server import Connection, echoes
from .wire import chunked, reply, request

BODIES = st.binary(max_size=300) | st.integers(1, 40_000).map(bytes)


@dataclass(frozen=True)
class Exchange:
    """A request as it goes out, and the body that must come back."""

    sent: bytes
    answer: bytes


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    target = f"/{draw(st.integers(0, 999))}"
    blank = draw(st.sampled_from([b"", b"", b"\r\n"]))
    kind = draw(st.sampled_from(["none", "length", "chunked"]))
    if kind == "none":
        return Exchange(blank + request("GET", target), target.encode())
    body = draw(BODIES)
    answer = body or target.encode()
    if kind == "length":
        return Exchange(blank + request("POST", target, f"Content-Length: {len(body)}", body=body), answer)
    size = draw(st.integers(1, 5_000))
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    trailers = draw(st.sampled_from([b"", b"X-Sum: 1\r\n"]))
    framed = chunked(*parts, trailers=trailers)
    return Exchange(blank + request("PUT", target, "Transfer-Encoding: chunked", body=framed), answer)


def cuts(data: bytes, positions: list[int]) -> list[bytes]:
    marks = sorted({position % (len(data) + 1) for position in positions} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(marks)]


def echoes_in_pieces(connection: Connection) -> None:
    """An echo whose responses are cut too, each in its own place and framing."""
    count = 0
    while (message := connection.request()) and message.complete:
        body = message.body or message.target.encode()
        if count % 2:
            data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(
                body[:7], *filter(None, [body[7:]])
            )
        else:
            data = reply(body)
        for piece in cuts(data, [7 * count, 31 * count, 40, len(data) - 3]):
            connection.send(piece)
        count += 1


@pytest.fixture(scope="module", params=[echoes, echoes_in_pieces], ids=["whole", "pieces"])
def proxy(request, module_balancer):
    return module_balancer(request.param)[0]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(exchanges(), min_size=1, max_size=6), st.lists(st.integers(0, 200_000), max_size=12))
def test_the_responses_are_the_same(proxy, wanted, positions):
    client = proxy.client()
    for piece in cuts(b"".join(each.sent for each in wanted), positions):
        client.send(piece)
    assert [client.response().body for _ in wanted] == [each.answer for each in wanted]
    client.close()
