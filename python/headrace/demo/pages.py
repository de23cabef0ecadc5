"""The blog's pages: which template, what it is told, with which headers."""

import calendar
import datetime as dt
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from headrace.cache.hit import Hit
from headrace.demo.assets import Assets
from headrace.demo.client import Page
from headrace.demo.edge import Edge
from headrace.demo.forms import proof, with_proof
from headrace.demo.markdown import render
from headrace.demo.post import LIMITS, REQUIRED, Post, minutes
from headrace.demo.tags import LISTS, post_tag

POLICY: Final = (
    "default-src 'none'; img-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    # Each page says which app server answered, and an update is seen at once, so browsers keep none.
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
TITLES: Final = {
    400: "That did not arrive as it should",
    403: "Not from here",
    404: "Nothing here",
    405: "Not this way",
    409: "Changed meanwhile",
    413: "Too large",
}


@dataclass(frozen=True)
class Form:
    """A form for a post: where it goes, what it holds, what is wrong with it, or whose version was faster."""

    action: str
    texts: Mapping[str, str] = field(default_factory=dict)
    version: int = 0
    slug: str = ""
    wrong: Mapping[str, str] = field(default_factory=dict)
    theirs: Post | None = None

    @property
    def status(self) -> int:
        """422 when something is wrong with it, 409 when another was faster."""
        return 422 if self.wrong else 409 if self.theirs else 200


class Pages:
    """Renders the templates of a folder."""

    def __init__(self, templates: Path, assets: Assets, edge: Edge | None = None) -> None:
        self.assets = assets
        self._edge = edge
        self._templates = Jinja2Templates(templates)
        self._templates.env.auto_reload = False  # or each page asks the disk whether they have changed
        self._templates.env.globals.update(asset=assets.address, limits=LIMITS, required=REQUIRED, minutes=minutes)
        self._templates.env.filters.update(markdown=render, day=_day)

    def listing(self, request: Request, hit: Hit[Page]) -> Response:
        """The list of posts."""
        if hit.value.number > hit.value.pages:
            raise HTTPException(404, "There is no such page.")
        return self._kept(request, "list.html", hit, LISTS, page=hit.value)

    def reading(self, request: Request, hit: Hit[Post]) -> Response:
        """A post."""
        return self._kept(request, "post.html", hit, post_tag(hit.value.slug), post=hit.value)

    def form(self, request: Request, form: Form) -> Response:
        """The form for a post, new or not."""
        value = proof(request)
        return with_proof(self._page(request, "form.html", form.status, form=form, proof=value), value)

    def refused(self, request: Request, error: Exception) -> Response:
        """A page for `HTTPException`."""
        assert isinstance(error, HTTPException)
        title = TITLES.get(error.status_code, "That did not work")
        return self._message(request, error.status_code, title, error.detail, error.headers)

    def not_there(self, request: Request, _error: Exception) -> Response:
        """A page for what the data service doesn't have."""
        return self._message(request, 404, TITLES[404], "This page does not exist, or not any more.")

    def data_away(self, request: Request, _error: Exception) -> Response:
        """A page for the time in which the data service can't be reached."""
        text = "The blog is up, but the service that keeps its posts does not answer. Try again in a moment."
        return self._message(request, 503, "The posts are out of reach", text, {"Retry-After": "5"})

    def _kept(self, request: Request, template: str, hit: Hit[Any], tag: str, **context: Any) -> Response:  # noqa: ANN401
        """A page with what it says to the balancer's edge cache, and a script that tells when it comes from there."""
        response = self._page(request, template, hit=hit, edge=self._edge, **context)
        if self._edge is not None:
            response.headers.update(self._edge.fields(hit, tag))
            response.headers["Content-Security-Policy"] = f"{POLICY}; script-src 'self'; connect-src 'self'"
        return response

    def _message(
        self, request: Request, status: int, title: str, text: str, headers: Mapping[str, str] | None = None
    ) -> Response:
        response = self._page(request, "message.html", status, title=title, text=text)
        response.headers.update(headers or {})
        return response

    def _page(self, request: Request, template: str, status: int = 200, **context: Any) -> Response:  # noqa: ANN401
        context["answered"] = _answered(request)
        return self._templates.TemplateResponse(request, template, context, status, HEADERS)


@lru_cache(maxsize=256)
def _day(date: str) -> str:
    """`2026-03-09` as people write it: 9 March 2026."""
    day = dt.date.fromisoformat(date)
    return f"{day.day} {calendar.month_name[day.month]} {day.year}"


def _answered(request: Request) -> dict[str, str]:
    """Who answers this request and how it came: `headrace serve` tells the one, the balancer's `Via` the other."""
    server = os.environ.get("HEADRACE_SERVER_ADDRESS") or ":".join(map(str, request.scope.get("server") or ("?",)))
    version = re.match(r"(?:HTTP/)?(\d(?:\.\d)?)", request.headers.get("via", ""))
    return {
        "server": server,
        "worker": os.environ.get("HEADRACE_WORKER", "0"),
        "protocol": f"HTTP/{(version[1] if version else request.scope['http_version']).removesuffix('.0')}",
        "request_id": request.headers.get("x-request-id", ""),
    }
