"""The blog's way to the data service: one pool of connections, and errors with names."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from headrace.demo.post import Draft, Post


class DataError(Exception):
    """The base of what can go wrong with the data service."""


class DataAwayError(DataError):
    """It can't be reached, answers too late or has a failure of its own."""


class NotThereError(DataError):
    """It has no such post or picture."""


class VersionChangedError(DataError):
    """Somebody changed the post since it was read."""


class WrongFieldsError(DataError):
    """It doesn't take the draft or the picture; `fields` says why, by field."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name} {what}" for name, what in fields.items()))
        self.fields = dict(fields)


@dataclass(frozen=True)
class Listed:
    """A post in a list, with its reading time in minutes."""

    post: Post
    minutes: int


@dataclass(frozen=True)
class Page:
    """A page of the list, newest first; `number` counts from 1 to `pages`."""

    posts: list[Listed]
    number: int
    pages: int
    total: int


class DataClient:
    """The calls of `headrace.demo.data`. Each raises `DataAwayError`; those for one thing also `NotThereError`."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def page(self, number: int, size: int) -> Page:
        """A page of posts without their bodies."""
        found = (await self._call("GET", "/posts", params={"page": number, "size": size})).json()
        posts = [Listed(Post.from_json(fields), fields["minutes"]) for fields in found["posts"]]
        return Page(posts, found["page"], found["pages"], found["total"])

    async def post(self, slug: str) -> Post:
        """The post `slug`."""
        return Post.from_json((await self._call("GET", f"/posts/{slug}")).json())

    async def create(self, draft: Draft) -> Post:
        """A new post; raises `WrongFieldsError`."""
        return Post.from_json((await self._call("POST", "/posts", json=asdict(draft))).json())

    async def update(self, slug: str, version: int, draft: Draft) -> Post:
        """The next version of a post; raises `WrongFieldsError`, `VersionChangedError`."""
        match = {"If-Match": f'"{version}"'}
        return Post.from_json((await self._call("PUT", f"/posts/{slug}", json=asdict(draft), headers=match)).json())

    async def delete(self, slug: str, version: int) -> None:
        """Removes a post; raises `VersionChangedError`."""
        await self._call("DELETE", f"/posts/{slug}", headers={"If-Match": f'"{version}"'})

    async def keep_picture(self, content: bytes) -> str:
        """Stores an image and gives its name; raises `WrongFieldsError`."""
        return str((await self._call("POST", "/pictures", content=content)).json()["name"])

    async def picture(self, name: str, known: str | None) -> httpx.Response:
        """An image, or 304 when `known` (an If-None-Match) still holds."""
        return await self._call("GET", f"/pictures/{name}", headers={"If-None-Match": known} if known else {})

    async def close(self) -> None:
        """Ends the pool."""
        await self._client.aclose()

    async def _call(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        try:
            response = await self._client.request(method, path, **options)
        except httpx.TransportError as error:
            raise DataAwayError(f"{type(error).__name__}: {error}") from error
        if response.is_success or response.status_code == 304:
            return response
        raise _error(response)


def _error(response: httpx.Response) -> DataError:
    match response.status_code:
        case 404:
            return NotThereError(response.request.url.path)
        case 412:
            return VersionChangedError(response.request.url.path)
        case 413 | 415:
            return WrongFieldsError({"picture": f"is not taken: {response.json()['message']}"})
        case 422:
            return WrongFieldsError(response.json()["fields"])
        case status:
            return DataAwayError(f"{response.request.method} {response.request.url.path} was answered with {status}")
