"""An ASGI app that does a little of everything, written for no particular server."""

import asyncio
import hashlib
import json
import os
from urllib.parse import parse_qsl

CHUNK = bytes(range(256)) * 256  # 64 KiB


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await talk(receive, send)
    else:
        query = dict(parse_qsl(scope["query_string"].decode()))
        await PAGES.get(scope["path"], missing)(receive, send, **query)


async def lifespan(receive, send):
    for kind in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{kind}.complete"})


async def talk(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def who(receive, send, seconds="0"):
    await asyncio.sleep(float(seconds))
    await reply(send, json.dumps({"pid": os.getpid()}).encode(), b"application/json")


async def echo(receive, send, seconds="0"):
    body = b"".join([part async for part in parts(receive)])
    await asyncio.sleep(float(seconds))
    await reply(send, body)


async def digest(receive, send):
    """What was uploaded, without keeping it."""
    sha, length = hashlib.sha256(), 0
    async for part in parts(receive):
        sha.update(part)
        length += len(part)
    await reply(send, json.dumps({"length": length, "sha256": sha.hexdigest()}).encode(), b"application/json")


async def download(receive, send, size):
    left = int(size)
    await start(send, [(b"content-length", size.encode())])
    while left:
        part = CHUNK[:left]
        left -= len(part)
        await send({"type": "http.response.body", "body": part, "more_body": left > 0})


async def events(receive, send, count):
    await start(send, [(b"content-type", b"text/event-stream")])
    for number in range(int(count)):
        await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
        await asyncio.sleep(0.2)
    await send({"type": "http.response.body"})


async def missing(receive, send):
    await reply(send, b"no such page", status=404)


PAGES = {"/": who, "/echo": echo, "/digest": digest, "/download": download, "/events": events}


async def parts(receive):
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client left")
        more = message.get("more_body", False)
        yield message.get("body", b"")


async def start(send, headers, status=200):
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def reply(send, body, kind=b"text/plain", status=200):
    await start(send, [(b"content-type", kind), (b"content-length", str(len(body)).encode())], status)
    await send({"type": "http.response.body", "body": body})
