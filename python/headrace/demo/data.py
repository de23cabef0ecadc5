"""The data service: posts and pictures over HTTP, for the blog and for anyone with curl.

| call | does |
|---|---|
| `GET /posts?page=1&size=10` | a page of posts without bodies, newest first |
| `POST /posts` | 201 and the new post |
| `GET /posts/{slug}` | a post; its `ETag` is its version |
| `PUT`, `DELETE /posts/{slug}` with `If-Match: "VERSION"` | changes that version, 412 when it is not the latest |
| `GET /pictures/{name}`, `POST /pictures` | an image; stores one and names it after its content |

Errors are `{"error": "<code>", "message": "..."}`, with `fields` where a draft's fields are wrong.
"""

import asyncio
import datetime as dt
import json
import os
import re
import sqlite3
from hashlib import sha256
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from headrace.demo.folder import read_pictures, read_posts
from headrace.demo.post import Draft, read_draft
from headrace.demo.store import Picture, Store
from headrace.errors import UsageError
from headrace.settings.values import UnreadableError, read_duration

OWN_POSTS: Final = Path(__file__).parent / "posts"
LARGEST_PAGE: Final = 100
LARGEST_BODY: Final = 4 << 20  # bytes; a photograph for the web has a few hundred thousand
SIGNATURES: Final = {  # how a file of each type begins; SVG can hold scripts and is taken from the folder only
    re.compile(rb"\x89PNG\r\n\x1a\n"): ("png", "image/png"),
    re.compile(rb"\xff\xd8\xff"): ("jpg", "image/jpeg"),
    re.compile(rb"GIF8[79]a"): ("gif", "image/gif"),
    re.compile(rb"RIFF....WEBP", re.DOTALL): ("webp", "image/webp"),
}


def app() -> Starlette:
    """The service as the environment describes it: `headrace serve headrace.demo.data:app --factory --port 4000`.

    `HEADRACE_DEMO_DATABASE` is its file (`~/.headrace/demo/blog.db`), `HEADRACE_DEMO_POSTS` the folder that fills it.
    With `HEADRACE_DEMO_DELAY` ("580ms") each answer takes so much longer, as those of a slow database do.
    """
    database = os.environ.get("HEADRACE_DEMO_DATABASE") or Path("~/.headrace/demo/blog.db").expanduser()
    folder = Path(os.environ.get("HEADRACE_DEMO_POSTS") or OWN_POSTS)
    store = Store(Path(database))
    for name, picture in read_pictures(folder).items():
        store.keep_picture(name, picture)
    store.bring_in(read_posts(folder))
    return service(store, _delay(os.environ.get("HEADRACE_DEMO_DELAY") or 0))


def _delay(text: object) -> float:
    try:
        return read_duration(text)
    except UnreadableError as error:
        raise UsageError(
            f"HEADRACE_DEMO_DELAY is {text!r}", hint='it takes seconds, or a duration such as "580ms"'
        ) from error


def service(store: Store, delay: float = 0) -> Starlette:
    """The service over `store`; each answer waits for `delay` seconds."""
    routes = [
        Route("/posts", Posts),
        Route("/posts/{slug}", OnePost),
        Route("/pictures", Pictures),
        Route("/pictures/{name}", OnePicture),
    ]
    application = Starlette(
        routes=routes,
        middleware=[Middleware(Slow, delay)] if delay else [],
        exception_handlers={HTTPException: _refused, sqlite3.OperationalError: _away},
    )
    application.state.store = store
    return application


class Slow:
    """An ASGI middleware before which all requests wait for `seconds`."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Waits, then asks the app."""
        if scope["type"] == "http":
            await asyncio.sleep(self._seconds)
        await self._app(scope, receive, send)


class Posts(HTTPEndpoint):
    """`/posts`. Here and below, methods that are not `async` run in threads, as they wait for the disk."""

    def get(self, request: Request) -> Response:
        """A page of them."""
        number, size = _whole(request, "page", 1, 1 << 31), _whole(request, "size", 10, LARGEST_PAGE)
        posts, total = _store(request).page(number, size)
        shown = [post.as_json(whole=False) for post in posts]
        content = {"posts": shown, "page": number, "pages": max(1, -(-total // size)), "total": total}
        return _tagged(request, JSONResponse(content), _digest(json.dumps(content).encode()), "no-cache")

    async def post(self, request: Request) -> Response:
        """A new one."""
        draft = await _draft(request)
        post = await run_in_threadpool(_store(request).create, draft, _today())
        return JSONResponse(post.as_json(), 201, {"Location": f"/posts/{post.slug}", "ETag": f'"{post.version}"'})


class OnePost(HTTPEndpoint):
    """`/posts/{slug}`."""

    def get(self, request: Request) -> Response:
        """The post."""
        post = _store(request).get(request.path_params["slug"])
        if post is None:
            raise HTTPException(404, "there is no such post")
        return _tagged(request, JSONResponse(post.as_json()), f'"{post.version}"', "no-cache")

    async def put(self, request: Request) -> Response:
        """Its next version."""
        slug, version, draft = request.path_params["slug"], _version(request), await _draft(request)
        post = await run_in_threadpool(_store(request).update, slug, version, draft)
        if post is None:
            raise await run_in_threadpool(_refusal, _store(request), slug)
        return JSONResponse(post.as_json(), headers={"ETag": f'"{post.version}"'})

    def delete(self, request: Request) -> Response:
        """Its end."""
        slug, version = request.path_params["slug"], _version(request)
        if not _store(request).delete(slug, version):
            raise _refusal(_store(request), slug)
        return Response(status_code=204)


class Pictures(HTTPEndpoint):
    """`/pictures`."""

    async def post(self, request: Request) -> Response:
        """A new one; the same again is the same."""
        content = await _body(request)
        kind = next((kind for signature, kind in SIGNATURES.items() if signature.match(content)), None)
        if kind is None:
            raise HTTPException(415, "a picture is a PNG, JPEG, GIF or WebP file")
        name = f"{sha256(content).hexdigest()[:20]}.{kind[0]}"
        await run_in_threadpool(_store(request).keep_picture, name, Picture(kind[1], content))
        return JSONResponse({"name": name}, 201, {"Location": f"/pictures/{name}"})


class OnePicture(HTTPEndpoint):
    """`/pictures/{name}`."""

    def get(self, request: Request) -> Response:
        """The image."""
        picture = _store(request).picture(request.path_params["name"])
        if picture is None:
            raise HTTPException(404, "there is no such picture")
        response = Response(picture.bytes, media_type=picture.type)
        return _tagged(request, response, _digest(picture.bytes), "public, max-age=86400")


def _store(request: Request) -> Store:
    store = request.app.state.store
    assert isinstance(store, Store)
    return store


def _refusal(store: Store, slug: str) -> HTTPException:
    """Why a change was not made."""
    post = store.get(slug)
    if post is None:
        return HTTPException(404, "there is no such post")
    return HTTPException(412, f"the post has version {post.version} by now; read it again and repeat your change")


async def _draft(request: Request) -> Draft:
    try:
        fields = json.loads(await _body(request))
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "the body is not JSON") from error
    if not isinstance(fields, dict):
        raise HTTPException(400, "the body is not a JSON object")
    draft, wrong = read_draft(fields)
    if wrong:
        raise WrongFieldsError(wrong)
    return draft


class WrongFieldsError(HTTPException):
    """A draft that can't be stored; `fields` says what is wrong by field."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(422, "; ".join(f"{name} {what}" for name, what in fields.items()))
        self.fields = fields


async def _body(request: Request) -> bytes:
    received = bytearray()
    async for piece in request.stream():
        received += piece
        if len(received) > LARGEST_BODY:
            raise HTTPException(413, f"at most {LARGEST_BODY} bytes are taken")
    return bytes(received)


def _version(request: Request) -> int:
    """What `If-Match` names (RFC 9110, 13.1.1); RFC 6585 asks for 428 where it is missing."""
    given = request.headers.get("if-match")
    if given is None:
        raise HTTPException(428, 'name the version that you change: If-Match: "1"')
    match = re.fullmatch(r'"(\d{1,18})"', given.strip())
    return int(match[1]) if match else -1


def _whole(request: Request, name: str, default: int, largest: int) -> int:
    given = request.query_params.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,10}", given) or not 1 <= int(given) <= largest:
        raise HTTPException(400, f"{name} must be a number from 1 to {largest}")
    return int(given)


def _tagged(request: Request, response: Response, etag: str, cache: str) -> Response:
    """`response` with its validator, or 304 where the client has it already (RFC 9110, 13.1.2)."""
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    headers = {"ETag": etag, "Cache-Control": cache, "X-Content-Type-Options": "nosniff"}
    if etag in known or known == ["*"]:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response


def _digest(content: bytes) -> str:
    return f'"{sha256(content).hexdigest()[:16]}"'


def _today() -> str:
    return dt.datetime.now(dt.timezone.utc).date().isoformat()


CODES: Final = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    412: "version_changed",
    413: "too_large",
    415: "unknown_type",
    422: "wrong_fields",
    428: "version_required",
}


def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    content: dict[str, object] = {"error": CODES.get(error.status_code, "error"), "message": error.detail}
    if isinstance(error, WrongFieldsError):
        content["fields"] = error.fields
    return JSONResponse(content, error.status_code, error.headers)


def _away(_request: Request, error: Exception) -> Response:
    content = {"error": "database_away", "message": f"the database can't be used: {error}; try again"}
    return JSONResponse(content, 503, {"Retry-After": "1"})
