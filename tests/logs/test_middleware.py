"""The request's id in what an app logs."""

import asyncio

import pytest

from headrace.logs import RequestId, request_id


def scope(*ids):
    return {"type": "http", "headers": [(b"host", b"a"), *((b"x-request-id", each) for each in ids)]}


async def seen_by(scopes):
    """What each of these requests, answered at once, finds as the id at hand."""
    seen = {}

    async def app(scope, receive, send):
        await asyncio.sleep(0)
        seen[id(scope)] = request_id.get()

    await asyncio.gather(*(RequestId(app)(each, None, None) for each in scopes))
    return [seen[id(each)] for each in scopes]


async def test_each_request_has_its_own_id():
    assert await seen_by([scope(b"a"), scope(), scope(b"b", b"c"), {"type": "lifespan"}]) == ["a", None, "b", None]
    assert request_id.get() is None


async def test_an_app_that_fails_leaves_no_id_behind():
    async def app(scope, receive, send):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await RequestId(app)(scope(b"a"), None, None)
    assert request_id.get() is None
