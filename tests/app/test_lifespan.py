import pytest

from headrace.app.lifespan import Lifespan, LifespanError


def says(*answers, then=None):
    """An app that answers each message with the next of `answers`."""

    async def app(scope, receive, send):
        scope["state"]["pool"] = "open"
        for answer in answers:
            await receive()
            await send(answer)
        if then is not None:
            raise then

    return app


UP = {"type": "lifespan.startup.complete"}
DOWN = {"type": "lifespan.shutdown.complete"}


async def test_an_app_is_started_and_shut_down():
    lifespan = Lifespan(says(UP, DOWN))
    await lifespan.startup()
    assert lifespan.state == {"pool": "open"}
    await lifespan.shutdown()


@pytest.mark.parametrize("then", [None, ValueError("also raised")])
async def test_a_startup_that_fails_says_why(then):
    lifespan = Lifespan(says({"type": "lifespan.startup.failed", "message": "no database"}, then=then))
    with pytest.raises(LifespanError, match="no database"):
        await lifespan.startup()


async def test_a_failure_without_reason_is_still_one():
    with pytest.raises(LifespanError, match="didn't say why"):
        await Lifespan(says({"type": "lifespan.startup.failed"})).startup()


async def test_an_app_without_lifespan_has_none():
    async def app(scope, receive, send):
        assert scope["type"] == "http"

    lifespan = Lifespan(app)
    await lifespan.startup()
    await lifespan.shutdown()


async def test_an_app_that_just_returns_is_fine():
    async def app(scope, receive, send):
        return

    lifespan = Lifespan(app)
    await lifespan.startup()
    await lifespan.shutdown()


async def test_a_shutdown_that_fails_says_why():
    lifespan = Lifespan(says(UP, {"type": "lifespan.shutdown.failed", "message": "still busy"}))
    await lifespan.startup()
    with pytest.raises(LifespanError, match="still busy"):
        await lifespan.shutdown()


async def test_a_shutdown_that_raises_is_a_failure():
    async def app(scope, receive, send):
        await receive()
        await send(UP)
        await receive()
        raise ValueError("broken")

    lifespan = Lifespan(app)
    await lifespan.startup()
    with pytest.raises(LifespanError, match="ValueError: broken"):
        await lifespan.shutdown()
