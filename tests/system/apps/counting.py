"""An ASGI app whose page says how often it was made, and may be kept."""

import itertools

MADE = itertools.count(1)


async def app(scope, _receive, send):
    assert scope["type"] == "http"
    fields = [(b"cache-control", b"max-age=600"), (b"surrogate-key", b"posts")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b"%d" % next(MADE)})
