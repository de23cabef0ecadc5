"""An app whose page is made once and then comes from the cache: `headrace serve tests.cache.visited_app:app`."""

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from headrace import Cache, cached

cache = Cache(near=1 << 20)


@cached(ttl="10m", stale="10m", key="page:{number}", tags=["pages"], cache=cache)
async def page(number: int) -> int:
    await asyncio.sleep(0.005)
    return number * number


async def show(request: Request) -> JSONResponse:
    hit = await page.hit(int(request.path_params["number"]))
    return JSONResponse({"value": hit.value, "source": hit.source})


async def change(_request: Request) -> JSONResponse:
    return JSONResponse({"invalidated": await cache.ainvalidate(tag="pages")})


app = Starlette(routes=[Route("/change", change, methods=["POST"]), Route("/{number:int}", show)])
