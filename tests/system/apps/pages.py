"""An ASGI app whose page is long enough to be worth compressing."""

PAGE = "".join(f"<li><a href='/posts/{number}'>post number {number}</a></li>\n" for number in range(500)).encode()


async def app(scope, _receive, send):
    assert scope["type"] == "http"
    fields = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"%d" % len(PAGE))]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": PAGE})
