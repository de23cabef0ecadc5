"""The app that the tests of `headrace serve` run; plain ASGI. Files are how a test and a worker talk."""

# ruff: noqa: ASYNC110, ASYNC230, ASYNC240

import asyncio
import json
import os
from pathlib import Path

state = {"lifespan": "none"}


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await echo(receive, send)
    elif scope["path"] == "/slow":
        Path("slow-began").touch()
        await asyncio.sleep(float(scope["query_string"] or 1))
        await answer(send, b"slow")
    else:
        seen = {
            "pid": os.getpid(),
            "client": scope["client"],
            "scheme": scope["scheme"],
            "worker": os.environ["HEADRACE_WORKER"],
            "address": os.environ["HEADRACE_SERVER_ADDRESS"],
        }
        await answer(send, json.dumps(seen).encode())


async def lifespan(receive, send):
    await receive()
    if Path("fail-startup").exists():
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        return
    while Path("hold-startup").exists():
        await asyncio.sleep(0.01)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    with Path("shutdowns").open("a") as file:
        file.write("one\n")
    await send({"type": "lifespan.shutdown.complete"})


async def echo(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def answer(send, body):
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def create():
    return app


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.url_scheme"].encode()]
