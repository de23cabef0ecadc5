"""Purging the edge cache, as the admin port does it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from headrace.errors import UsageError

WHAT: Final = ("key", "tag", "prefix")


@dataclass(frozen=True)
class Purging:
    """`purge` is `headrace._core.Balancer.purge`."""

    purge: Callable[..., int]

    async def answer(self, query: Mapping[str, str]) -> int:
        """How many responses were removed, with `soft=1` made stale. Raises `UsageError` for what names none."""
        what = {name: query[name] for name in WHAT if name in query}
        if len(what) != 1:
            raise UsageError("purging takes one of key=, tag= and prefix=, such as tag=posts")
        (name, value), soft = *what.items(), query.get("soft", "0")
        if soft not in {"0", "1"}:
            raise UsageError(f"soft must be 0 or 1, not {soft!r}")
        if name != "tag" and not value.startswith(("http://", "https://")):
            raise UsageError(f"{name} must begin with https:// or http://, not {value!r}; keys are whole URLs")
        # A prefix is looked for in all keys: not in the event loop.
        return await asyncio.to_thread(self.purge, **what, soft=soft == "1")
