"""A scripted visit to the blog: what a person would try first, checked step by step."""

import re
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import httpx

from headrace.cache.following import BOUND

PATIENCE: Final = 15.0  # seconds in which each app server must have answered once; the last may just be joining
TITLE: Final = "A visit"
SERVER: Final = re.compile(r'data-server="([^"]+)"')
PROOF: Final = re.compile(r'name="proof" value="(\w+)"')
KEPT: Final = re.compile(r'data-source="(?!call)(\w+)" data-age="(\d+)"')
RELOAD: Final = {"Cache-Control": "no-cache"}  # as a browser does: an app server is asked, whatever the edge has
VERSION: Final = re.compile(r'name="version" value="(\d+)"')


class VisitError(Exception):
    """What was not as it should be."""


def visit(url: str, ca: Path, servers: int, log: Path, say: Callable[[str], None]) -> bool:
    """Visits the blog at `url`, which `servers` app servers serve and `log` tells of; `say` gets a line for each step.

    True when all went well. It ends at the first step that did not. The post it writes is gone afterwards.
    """
    trust = ssl.create_default_context(cafile=str(ca))
    with httpx.Client(http2=True, verify=trust, base_url=url, trust_env=False, timeout=10) as client:
        return all(_take(step, say) for step in Visitor(client, servers, log).steps())


class Visitor:
    """One method for each step; it tells what it saw, or raises `VisitError` or httpx's errors."""

    def __init__(self, client: httpx.Client, servers: int, log: Path) -> None:
        self._client = client
        self._servers = servers
        self._log = log
        self._home = ""
        self._written = ""

    def steps(self) -> list[Callable[[], str]]:
        """The steps in their order."""
        return [
            self.list_posts,
            self.list_again,
            self.load_style,
            self.read_post,
            self.read_again,
            self.load_picture,
            self.meet_servers,
            self.write,
            self.edit,
            self.forge,
            self.delete,
            self.read_log,
        ]

    def list_posts(self) -> str:
        """The list of posts over HTTP/2."""
        page = self._get("/", RELOAD)
        self._home = page.text
        _expect(page.http_version == "HTTP/2", f"it came over {page.http_version}")
        _expect('class="protocol">HTTP/2<' in page.text, "the blog was not told that it is HTTP/2")
        posts = set(re.findall(r'href="(/posts/[^"]+)"', page.text))
        _expect(bool(posts), "there is no post")
        return f"the list over {page.http_version}: {len(posts)} posts on its first page"

    def list_again(self) -> str:
        """The list again, from the balancer."""
        deadline = time.monotonic() + PATIENCE
        while "; hit" not in (page := self._get("/")).headers.get("cache-status", ""):
            _expect(time.monotonic() < deadline, "app servers are asked each time")
            time.sleep(0.01)
        return f"the list again: from the edge, kept {page.headers['age']} s ago"

    def load_style(self) -> str:
        """The style sheet, for good."""
        style = self._get(self._find(r'href="(/static/style\.css\?[^"]+)"', self._home))
        _expect("immutable" in style.headers["cache-control"], "it may not be kept")
        return f"the style sheet: {len(style.content)} bytes, to be kept"

    def read_post(self) -> str:
        """A post."""
        post = self._get(self._find(r'href="(/posts/[^"]+)"', self._home))
        return f"a post: {self._find('<h1>([^<]+)</h1>', post.text)!r}"

    def read_again(self) -> str:
        """The post again, from the cache."""
        path = self._find(r'href="(/posts/[^"]+)"', self._home)
        deadline = time.monotonic() + PATIENCE
        while not (kept := KEPT.search(self._get(path, RELOAD).text)):  # it is kept after the reader has it
            _expect(time.monotonic() < deadline, "it is read from the data service each time")
            time.sleep(0.01)
        return f"the post again: from the cache ({kept[1]}), kept {kept[2]} s ago"

    def load_picture(self) -> str:
        """A picture, and no second time."""
        path = self._find(r'src="(/(?:covers|pictures)/[^"]+)"', self._home)
        picture = self._get(path)
        _expect(picture.headers["content-type"].startswith("image/"), "it is no image")
        again = self._client.get(path, headers={"If-None-Match": picture.headers["etag"]})
        _expect(again.status_code == 304, f"the second time it was answered with {again.status_code}")
        return f"a picture: {len(picture.content)} bytes of {picture.headers['content-type']}, then 304"

    def meet_servers(self) -> str:
        """All app servers in turn."""
        return f"all app servers in turn: {', '.join(sorted(self._seen('/', '')))}"

    def write(self) -> str:
        """A new post, written through the form."""
        self._written = self._send("/new", {"title": TITLE, "author": "Visitor", "body": "It is *new*."})
        page = self._get(self._written)
        _expect("<em>new</em>" in page.text, "it was not shown")
        self._seen("/", f'href="{self._written}"')
        return f"a new post through the form: {self._written}"

    def edit(self) -> str:
        """The post changed, and read again from all app servers."""
        form = {"title": TITLE, "author": "Visitor", "body": "It was **changed**."}
        self._send(f"{self._written}/edit", form)
        self._seen(self._written, "<strong>changed</strong>")
        _expect("<strong>changed</strong>" in self._get(self._written).text, "the edge shows an older one")
        return f"the post changed, and read again from {self._servers} app servers and the edge"

    def forge(self) -> str:
        """A form that is not the blog's own, refused."""
        answer = self._client.post(f"{self._written}/delete", files=_parts({"proof": "0" * 32, "version": "2"}))
        _expect(answer.status_code == 403, f"it was answered with {answer.status_code}")
        return "a forged form is refused: 403"

    def delete(self) -> str:
        """The post deleted."""
        self._send(f"{self._written}/delete", {}, form=f"{self._written}/edit")
        began = time.monotonic()
        while (status := self._client.get(self._written).status_code) != 404:
            _expect(time.monotonic() < began + BOUND, f"it is still answered with {status}")
            time.sleep(0.01)
        return "the post deleted: 404"

    def read_log(self) -> str:
        """What all of it logged, in one file in the order of time."""
        wanted = [
            f";load balancer;GET {self._written}: 404",
            ";load balancer;Registering application server with address",
        ]
        deadline = time.monotonic() + PATIENCE
        lines: list[str] = []
        while not all(any(text in line for line in lines) for text in wanted):
            _expect(time.monotonic() < deadline, f"{self._log} doesn't tell of the visit")
            time.sleep(0.1)
            lines = self._log.read_text("utf-8").splitlines() if self._log.exists() else []
        return f"the central log: {len(lines)} lines of balancer, app servers and data service"

    def _get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        page = self._client.get(path, headers=headers)
        _expect(page.status_code == 200, f"{path} was answered with {page.status_code}")
        return page

    def _send(self, action: str, fields: dict[str, str], form: str = "") -> str:
        """Fills the form of the page `form` and sends it to `action`; the address that it leads to."""
        page = self._get(form or action).text
        hidden = {"proof": self._find(PROOF.pattern, page), "version": self._find(VERSION.pattern, page)}
        answer = self._client.post(action, files=_parts({**hidden, **fields}))
        _expect(answer.status_code == 303, f"{action} was answered with {answer.status_code}")
        return answer.headers["location"]

    def _seen(self, path: str, text: str) -> set[str]:
        """The app servers that answered `path`, each with `text`, once all of them did.

        What an app server has near may be older for as long as it takes to hear of the change, and for `BOUND` at most.
        """
        seen: set[str] = set()
        began = time.monotonic()
        while len(seen) < self._servers and (asked := time.monotonic()) < began + PATIENCE:
            page = self._get(path, RELOAD).text
            if text in page:
                seen.add(self._find(SERVER.pattern, page))
            _expect(text in page or asked < began + BOUND, "an app server shows an older one")
            time.sleep(0.01)
        _expect(len(seen) >= self._servers, f"of {self._servers} only {', '.join(sorted(seen))} answered")
        return seen

    @staticmethod
    def _find(pattern: str, page: str) -> str:
        found = re.search(pattern, page)
        if found is None:
            raise VisitError(f"the page has no {pattern}")
        return found[1]


def _take(step: Callable[[], str], say: Callable[[str], None]) -> bool:
    try:
        say(f"ok      {step()}")
    except (VisitError, httpx.HTTPError) as error:
        say(f"FAILED  {(step.__doc__ or '').rstrip('.')}: {str(error) or type(error).__name__}")
        return False
    return True


def _parts(fields: dict[str, str]) -> dict[str, tuple[None, str]]:
    """The fields as a browser sends a form that can hold a file."""
    return {name: (None, value) for name, value in fields.items()}


def _expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise VisitError(otherwise)
