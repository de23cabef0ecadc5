"""`headrace cache` as its own process, on free ports, with a state folder that outlives it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx

from tests.verb_process import VerbProcess, serving


class CacheProcess(VerbProcess):
    """A running cache, whose every call asks for the token."""

    def client(self, url: str, **options: Any) -> httpx.Client:
        """One that trusts the local authority and shows the token."""
        return super().client(url, **{"headers": self.authorized()} | options)

    def put(self, key: str, value: bytes, life: str = "max-age=600", **headers: str) -> httpx.Response:
        return self.public.put("/", params={"key": key}, content=value, headers={"Cache-Control": life, **headers})

    def get(self, key: str, **headers: str) -> httpx.Response:
        return self.public.get("/", params={"key": key}, headers=headers)


def cache(
    folder: Path, *flags: str, plain: bool = False, environ: Mapping[str, str] | None = None
) -> AbstractContextManager[CacheProcess]:
    """Starts the cache in `folder`, and ends it."""
    return serving(CacheProcess, folder, ("cache",), *flags, plain=plain, environ=environ)
