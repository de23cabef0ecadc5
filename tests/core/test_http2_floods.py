"""Floods of cheap frames are ended; a polite client is served all along; memory stays flat."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from .app_server import echoes
from .http2 import RawHttp2, head

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def flooded(start_server, start_balancer, tls, authority):
    """A proxy and an attacker's connection to it."""
    proxy = start_balancer([start_server(echoes)], tls=tls)
    attacker = RawHttp2(proxy.address, authority.client_context("h2"))
    yield proxy, attacker
    attacker.close()


def flag(frame: Frame, *flags: str) -> bytes:
    for name in flags:
        frame.flags.add(name)
    return frame.serialize()


def streams(attacker: RawHttp2, frames: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """Bursts of 50 times these frames, each time on a new stream."""
    return lambda burst: b"".join(frames(1 + 2 * (burst * 50 + number)) for number in range(50))


def rapid_reset(attacker: RawHttp2) -> Callable[[int], bytes]:
    def frames(stream: int) -> bytes:
        block = attacker.hpack.encode(head())
        return (
            flag(HeadersFrame(stream, data=block), "END_HEADERS", "END_STREAM") + RstStreamFrame(stream, 8).serialize()
        )

    return streams(attacker, frames)


def provoked_resets(attacker: RawHttp2) -> Callable[[int], bytes]:
    """Requests that the balancer must reset itself, each for an error of its stream."""

    def frames(stream: int) -> bytes:
        block = attacker.hpack.encode(head())
        update = WindowUpdateFrame(stream, 2**31 - 1).serialize()
        return flag(HeadersFrame(stream, data=block), "END_HEADERS") + update

    return streams(attacker, frames)


def continuations(attacker: RawHttp2) -> Callable[[int], bytes]:
    begin = HeadersFrame(1, data=attacker.hpack.encode(head())).serialize()
    empty = ContinuationFrame(1, data=b"").serialize() * 50
    return lambda burst: (begin if burst == 0 else b"") + empty


def continuations_with_fields(attacker: RawHttp2) -> Callable[[int], bytes]:
    begin = HeadersFrame(1, data=attacker.hpack.encode(head())).serialize()
    more = ContinuationFrame(1, data=b"\x00\x01x\x7e" + b"y" * 126).serialize() * 20
    return lambda burst: (begin if burst == 0 else b"") + more


def empty_data(attacker: RawHttp2) -> Callable[[int], bytes]:
    begin = flag(HeadersFrame(1, data=attacker.hpack.encode(head("POST"))), "END_HEADERS")
    return lambda burst: (begin if burst == 0 else b"") + DataFrame(1, b"").serialize() * 100


def padded_data(attacker: RawHttp2) -> Callable[[int], bytes]:
    begin = flag(HeadersFrame(1, data=attacker.hpack.encode(head("POST"))), "END_HEADERS")
    padded = b"\0\0\x02\0\x08\0\0\0\1\x01\0" * 100
    return lambda burst: (begin if burst == 0 else b"") + padded


FLOODS = {
    "rapid-reset": rapid_reset,
    "provoked-resets": provoked_resets,
    "continuations": continuations,
    "continuations-with-fields": continuations_with_fields,
    "empty-data": empty_data,
    "padded-data": padded_data,
    "settings": lambda _: lambda _: SettingsFrame(0, {4: 65_535}).serialize() * 20,
    "empty-settings": lambda _: lambda _: SettingsFrame(0).serialize() * 20,
    "pings": lambda _: lambda _: PingFrame(0, b"12345678").serialize() * 50,
    "priorities": lambda _: lambda _: PriorityFrame(1, 0, 1).serialize() * 200,
    "window-updates": lambda _: lambda _: WindowUpdateFrame(0, 1).serialize() * 200,
    "unknown-frames": lambda _: lambda _: b"\0\0\0\xf0\0\0\0\0\0" * 500,
}

HARMLESS = {"padded-data", "priorities", "window-updates", "unknown-frames"}
"""They cost no more than their bytes: metered or ignored is enough."""


@pytest.mark.parametrize("flood", [flood for flood in FLOODS if flood not in HARMLESS])
def test_a_flood_is_ended(flooded, flood):
    proxy, attacker = flooded
    assert attacker.ends_under(FLOODS[flood](attacker))
    assert proxy.http2().get("/polite").body == b"/polite"


@pytest.mark.parametrize("flood", list(FLOODS))
def test_a_polite_client_is_served_during_a_flood(flooded, in_background, flood):
    proxy, attacker = flooded
    flooding = in_background(attacker.ends_under, FLOODS[flood](attacker), 0.7)
    polite = proxy.http2()
    count = 0
    while not flooding.done or count < 10:
        assert polite.get(f"/{count}").body == b"/%d" % count
        count += 1
    flooding.result()


@pytest.mark.parametrize("flood", ["pings", "settings", "rapid-reset"])
def test_who_never_reads_cannot_fill_the_memory(flooded, authority, flood):
    """Each of these asks for an answer; without a reader the answers must not pile up."""
    proxy, attacker = flooded
    before = resident()
    attacker.sock.settimeout(0.5)
    sent = 0
    burst = FLOODS[flood](attacker)
    try:
        for number in range(2000):
            data = burst(number)
            attacker.sock.sendall(data)
            sent += len(data)
    except OSError:
        pass
    assert resident() - before < 32_000_000
    assert proxy.http2().get("/polite").body == b"/polite"


def resident() -> int:
    """Bytes of this process in memory: the engine's threads are in it."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_ordinary_use_is_no_flood(start_server, start_balancer, tls):
    """Cancelled requests, pings and settings as browsers send them."""
    client = start_balancer([start_server(echoes)], tls=tls).http2()
    for number in range(60):
        stream = client.start(head("GET", f"/{number}"))
        client.reset(stream)
    for _ in range(10):
        client.h2.ping(b"12345678")
        client.h2.update_settings({4: 100_000})
        client.flush()
    assert client.get("/polite").body == b"/polite"
    assert client.goaway is None


def test_the_limits_of_floods_are_the_configured_ones(start_server, start_balancer, tls):
    proxy = start_balancer([start_server(echoes)], tls=tls, limits={"pings_per_second": 5})
    client = proxy.http2()
    for _ in range(50):
        client.h2.ping(b"12345678")
    client.flush()
    assert client.ends()
    assert client.goaway == 11  # ENHANCE_YOUR_CALM
