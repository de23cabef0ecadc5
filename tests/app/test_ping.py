import asyncio

import pytest

from headrace.app.forwarded import Forwarded
from headrace.app.ping import Front
from headrace.app.readiness import Readiness, Stage


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the app"})


async def asked(readiness, path="/ping", method="GET", kind="http", at="/ping"):
    sent = []

    async def send(message):
        sent.append(message)

    front = Front(app, readiness, path=at, forwarded=Forwarded())
    scope = {"type": kind, "path": path, "method": method, "client": None, "headers": [], "scheme": "http"}
    await front(scope, None, send)
    return sent


@pytest.mark.parametrize(
    ("stage", "status"), [(Stage.STARTING, 503), (Stage.READY, 200), (Stage.DRAINING, 503), (Stage.FAILED, 503)]
)
async def test_ping_tells_the_stage(stage, status):
    start, body = await asked(Readiness(stage))
    assert start["status"] == status
    assert stage.value.encode() in body["body"]
    assert ((b"retry-after", b"1") in start["headers"]) == (status == 503)


async def test_ping_tells_why_the_app_failed():
    readiness = Readiness()
    readiness.become(Stage.FAILED, "no database")
    assert (await asked(readiness))[1]["body"] == b"failed: no database\n"


async def test_ping_answers_to_head_and_to_nothing_else():
    readiness = Readiness(Stage.READY)
    assert (await asked(readiness, method="HEAD"))[0]["status"] == 200
    start, _ = await asked(readiness, method="POST")
    assert (start["status"], dict(start["headers"])[b"allow"]) == (405, b"GET, HEAD")


async def test_its_path_can_be_another():
    assert (await asked(Readiness(Stage.READY), path="/ping", at="/health"))[1]["body"] == b"the app"
    assert (await asked(Readiness(Stage.READY), path="/health", at="/health"))[1]["body"] == b"ready\n"


@pytest.mark.parametrize("stage", [Stage.READY, Stage.DRAINING])
async def test_who_still_asks_a_draining_worker_is_answered(stage):
    assert (await asked(Readiness(stage), path="/"))[1]["body"] == b"the app"


async def test_while_the_app_starts_a_request_waits_for_it():
    readiness = Readiness()
    waiting = asyncio.create_task(asked(readiness, path="/"))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    readiness.become(Stage.READY)
    assert (await waiting)[1]["body"] == b"the app"


async def test_an_app_that_failed_isnt_called():
    readiness = Readiness(Stage.FAILED)
    assert (await asked(readiness, path="/"))[0]["status"] == 503
    assert (await asked(readiness, path="/", kind="websocket"))[0]["type"] == "websocket.close"
