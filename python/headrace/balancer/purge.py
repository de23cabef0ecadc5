"""Purging the balancer's edge cache from a program."""

import ssl
from pathlib import Path
from typing import Any, Final

import httpx

from headrace.errors import OperationError, UsageError
from headrace.settings import BalancerSettings, load
from headrace.state import StateFolder

TIMEOUT: Final = 10.0  # seconds for the call


def purge(
    *,
    key: str | None = None,
    tag: str | None = None,
    prefix: str | None = None,
    soft: bool = False,
    balancer: str | None = None,
    token: str | None = None,
    ca: str | Path | None = None,
) -> int:
    """Remove responses from the edge cache, or with `soft` make them stale; how many that were.

    Example: `headrace.purge(tag="posts")`. One of `key` (a URL: its response with all variants), `tag` (from
    `Cache-Groups`, `Surrogate-Key` or `Cache-Tag`) and `prefix` (of URLs) must be given. `balancer` is the URL of its
    admin port, `token` and `ca` what it asks for and is verified by; unset, they are found as the verbs find them.
    Raises `UsageError` for what names nothing, `OperationError` when the balancer can't be reached or refuses.
    """
    what = {name: value for name, value in (("key", key), ("tag", tag), ("prefix", prefix)) if value is not None}
    if len(what) != 1:
        raise UsageError("purge takes one of key=, tag= and prefix=")
    settings, state = load(BalancerSettings, {}), StateFolder.at(None)
    url = balancer or f"https://{settings.admin}"
    token = token or settings.token or state.token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    query = {**what, "soft": "1" if soft else "0"}
    try:
        verified = ssl.create_default_context(cafile=str(ca or state.ca))
        with httpx.Client(base_url=url, verify=verified, headers=headers, timeout=TIMEOUT, trust_env=False) as client:
            return _purged(client.post("/cache/purge", params=query))
    except (OSError, httpx.TransportError, httpx.InvalidURL) as error:
        raise OperationError(f"cannot reach the balancer at {url}: {error}", hint="is it running there?") from error


def _purged(response: httpx.Response) -> int:
    try:
        content: dict[str, Any] = response.json()
        return int(content["purged"])
    except (ValueError, KeyError, TypeError):
        raise OperationError(f"the balancer refused: {response.status_code} {response.text.strip()}") from None
