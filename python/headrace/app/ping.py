"""The thin layer around the user's app: answers `/ping`, and tells the app who the client behind the balancer is.

An app need not know about it. What it costs a request that isn't a ping is a comparison of the path and a look at the
last few header fields, where the balancer writes its own.
"""

from collections.abc import Awaitable

from headrace.app.asgi import Application, Receive, Scope, Send, answer
from headrace.app.forwarded import Forwarded
from headrace.app.readiness import Readiness, Stage

NO_STORE = (b"cache-control", b"no-store")
RETRY = (b"retry-after", b"1")


class Front:
    """`app` with `/ping` in front.

    Example: `Front(app, readiness, path="/ping", forwarded=Forwarded(frozenset({"127.0.0.1"})))`.
    """

    def __init__(self, app: Application, readiness: Readiness, *, path: str, forwarded: Forwarded) -> None:
        self._app = app
        self._readiness = readiness
        self._path = path
        self._forwarded = forwarded

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Not a coroutine itself: the app's own is handed on."""
        if scope["path"] == self._path and scope["type"] == "http":
            return self._ping(scope, send)
        if not self._readiness.serves:
            return self._later(scope, receive, send)
        self._forwarded.apply(scope)
        app = self._app
        return app(scope, receive, send)

    async def _ping(self, scope: Scope, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await answer(send, 405, b"GET or HEAD\n", [(b"allow", b"GET, HEAD")])
        elif self._readiness.ready:
            await answer(send, 200, b"ready\n", [NO_STORE])
        else:
            await answer(send, 503, f"{self._readiness}\n".encode(), [NO_STORE, RETRY])

    async def _later(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold a request while the app starts.

        Who asks takes this for the worker that was here before and crashed; a short wait is better than a 503.
        """
        if self._readiness.stage is Stage.STARTING:
            await self._readiness.started()
        if self._readiness.serves:
            self._forwarded.apply(scope)
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1013, "reason": "try again later"})
        else:
            await answer(send, 503, f"the app is {self._readiness}\n".encode(), [RETRY])
