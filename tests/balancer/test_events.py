"""News for listeners."""

import asyncio

from headrace.balancer import events
from headrace.balancer.events import BACKLOG, Hub


async def listening(hub: Hub):
    stream = hub.listen()
    assert await anext(stream) == ": headrace\n\n"
    return stream


async def test_every_listener_hears_every_news_in_order():
    hub = Hub()
    streams = [await listening(hub) for _ in range(3)]
    hub.tell("server", {"id": "s1"})
    hub.tell("server", {"id": "s2"})
    for stream in streams:
        assert await anext(stream) == 'event: server\ndata: {"id": "s1"}\n\n'
        assert await anext(stream) == 'event: server\ndata: {"id": "s2"}\n\n'
        await stream.aclose()


async def test_a_listener_that_is_too_slow_is_let_go_and_others_hear_on():
    hub = Hub()
    slow, quick = await listening(hub), await listening(hub)
    heard = []

    async def listen_on():
        heard.extend([text async for text in quick])

    reader = asyncio.create_task(listen_on())
    for number in range(BACKLOG + 10):
        hub.tell("server", {"id": number})
        await asyncio.sleep(0)
    hub.close()
    await reader
    assert len(heard) == BACKLOG + 10
    assert len([text async for text in slow]) < BACKLOG + 10


async def test_a_listener_that_vanished_leaves_nothing_behind():
    hub = Hub()
    stream = await listening(hub)
    await stream.aclose()
    assert not hub._listeners


async def test_a_quiet_stream_gives_a_sign_of_life(monkeypatch):
    monkeypatch.setattr(events, "KEEP_ALIVE", 0.01)
    stream = await listening(Hub())
    assert (await anext(stream)).startswith(":")
    await stream.aclose()


async def test_closing_ends_every_stream():
    hub = Hub()
    stream = await listening(hub)
    hub.close()
    assert [text async for text in stream] == []
