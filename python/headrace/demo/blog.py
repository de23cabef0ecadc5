"""The blog: pages over the posts of the data service. Any number of it run beside each other, none keeps anything."""

import logging
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from headrace.cache.cache import Cache
from headrace.demo.assets import FOR_A_DAY, Assets, picture_response
from headrace.demo.client import DataAwayError, DataClient, NotThereError, VersionChangedError, WrongFieldsError
from headrace.demo.cover import cover
from headrace.demo.edge import Edge
from headrace.demo.forms import Sent, read_form
from headrace.demo.pages import Form, Pages
from headrace.demo.post import Draft, read_draft
from headrace.demo.reading import Reading
from headrace.errors import OperationError

HERE: Final = Path(__file__).parent
POSTS_PER_PAGE: Final = 7  # one large, three rows of two
LARGEST_PAGE: Final = 1_000_000
NEAR: Final = 8 << 20  # bytes of what was read that each app server has in itself, beside the cache service
TIMEOUT: Final = httpx.Timeout(10, connect=3)


def app() -> Starlette:
    """The blog as the environment describes it: `headrace serve headrace.demo.blog:app --factory`.

    `HEADRACE_DEMO_DATA` is the data service's URL (`https://localhost:4000`), `HEADRACE_DEMO_CA` the authority that
    vouches for it (`~/.headrace/certs/ca.pem`), `HEADRACE_CACHE_URL` the cache that all app servers share (none),
    `HEADRACE_DEMO_EDGE` the admin port of a balancer that may keep pages (none).
    """
    ca = Path(os.environ.get("HEADRACE_DEMO_CA") or Path("~/.headrace/certs/ca.pem").expanduser())
    if not ca.is_file():
        raise OperationError(
            f"there is no authority in {ca}", hint="set HEADRACE_DEMO_CA to what `headrace certs ca` prints"
        )
    # Each of the blog's requests makes one to the data service; that is no news.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    transport = httpx.AsyncHTTPTransport(verify=ssl.create_default_context(cafile=str(ca)), retries=1)
    url = os.environ.get("HEADRACE_DEMO_DATA") or "https://localhost:4000"
    cache = Cache(os.environ["HEADRACE_CACHE_URL"], near=NEAR) if os.environ.get("HEADRACE_CACHE_URL") else None
    client = httpx.AsyncClient(base_url=url, transport=transport, timeout=TIMEOUT, trust_env=False)
    edge = Edge(os.environ["HEADRACE_DEMO_EDGE"]) if os.environ.get("HEADRACE_DEMO_EDGE") else None
    return blog(DataClient(client), cache, edge)


def blog(data: DataClient, cache: Cache | None = None, edge: Edge | None = None) -> Starlette:
    """The blog over a data service, with a cache for what is read most, behind an edge that may keep its pages."""
    pages = Pages(HERE / "templates", Assets(HERE / "static"), edge)
    handlers = Handlers(data, Reading(data, cache, edge), pages)
    routes = [
        Route("/", handlers.list_posts),
        Route("/new", handlers.new_post, methods=["GET", "POST"]),
        Route("/posts/{slug}", handlers.show_post),
        Route("/posts/{slug}/edit", handlers.edit_post, methods=["GET", "POST"]),
        Route("/posts/{slug}/delete", handlers.delete_post, methods=["POST"]),
        Route("/pictures/{name}", handlers.picture),
        Route("/covers/{slug}.svg", handlers.cover),
        Route("/static/{name}", handlers.static),
    ]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await data.close()
        if cache is not None:
            await cache.aclose()

    return Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            HTTPException: pages.refused,
            NotThereError: pages.not_there,
            DataAwayError: pages.data_away,
        },
    )


class Handlers:
    """One method for each route."""

    def __init__(self, data: DataClient, reading: Reading, pages: Pages) -> None:
        self._data = data
        self._reading = reading
        self._pages = pages

    async def list_posts(self, request: Request) -> Response:
        """`/?page=N`: the newest posts."""
        number = request.query_params.get("page", "1")
        if not number.isdecimal() or not 1 <= int(number[:8]) <= LARGEST_PAGE:
            raise HTTPException(404, "There is no such page.")
        return self._pages.listing(request, await self._reading.page(int(number), POSTS_PER_PAGE))

    async def show_post(self, request: Request) -> Response:
        """`/posts/{slug}`: one to read."""
        return self._pages.reading(request, await self._reading.post(request.path_params["slug"]))

    async def new_post(self, request: Request) -> Response:
        """`/new`: an empty form, and what is made of it."""
        if request.method != "POST":
            return self._pages.form(request, Form("/new"))
        sent = await read_form(request)
        try:
            post = await self._data.create(await self._draft(sent))
        except WrongFieldsError as error:
            return self._pages.form(request, Form("/new", sent.texts, wrong=error.fields))
        await self._reading.changed(post.slug)
        return RedirectResponse(f"/posts/{post.slug}", 303)

    async def edit_post(self, request: Request) -> Response:
        """`/posts/{slug}/edit`: the post in a form, and its next version."""
        slug, action = request.path_params["slug"], request.url.path
        if request.method != "POST":
            post = await self._data.post(slug)
            return self._pages.form(request, Form(action, vars(post.draft), post.version, slug))
        sent = await read_form(request)
        try:
            await self._data.update(slug, sent.version, await self._draft(sent))
        except WrongFieldsError as error:
            return self._pages.form(request, Form(action, sent.texts, sent.version, slug, wrong=error.fields))
        except VersionChangedError:
            theirs = await self._data.post(slug)
            return self._pages.form(request, Form(action, sent.texts, theirs.version, slug, theirs=theirs))
        await self._reading.changed(slug)
        return RedirectResponse(f"/posts/{slug}", 303)

    async def delete_post(self, request: Request) -> Response:
        """`/posts/{slug}/delete`: takes a post away."""
        slug, sent = request.path_params["slug"], await read_form(request)
        try:
            await self._data.delete(slug, sent.version)
        except VersionChangedError as error:
            raise HTTPException(
                409, "Someone changed this post meanwhile. Read it again before you delete it."
            ) from error
        await self._reading.changed(slug)
        return RedirectResponse("/", 303)

    async def picture(self, request: Request) -> Response:
        """`/pictures/{name}`: an image of the data service, with its caching headers."""
        found = await self._data.picture(request.path_params["name"], request.headers.get("if-none-match"))
        kept = ("content-type", "etag", "cache-control", "x-content-type-options")
        headers = {name: found.headers[name] for name in kept if name in found.headers}
        # An SVG that is opened by itself is a document: it may style itself and nothing more.
        headers["content-security-policy"] = "default-src 'none'; style-src 'unsafe-inline'"
        return Response(found.content, found.status_code, headers)

    async def cover(self, request: Request) -> Response:
        """`/covers/{slug}.svg`: a picture for posts without one."""
        content = cover(request.path_params["slug"]).encode()
        return picture_response(request, content, "image/svg+xml", FOR_A_DAY)

    async def static(self, request: Request) -> Response:
        """`/static/{name}`: style sheet, script and icon."""
        return self._pages.assets.respond(request) or self._pages.not_there(request, NotThereError())

    async def _draft(self, sent: Sent) -> Draft:
        """What was sent as a draft, its image stored; raises `WrongFieldsError`."""
        draft, wrong = read_draft(sent.texts)
        if wrong:
            raise WrongFieldsError(wrong)
        if not sent.picture:
            return draft
        return Draft(**{**vars(draft), "picture": await self._data.keep_picture(sent.picture)})
