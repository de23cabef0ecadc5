"""How verbs talk to the admin port of a running balancer."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from headrace.cli.options import Common
from headrace.errors import OperationError
from headrace.settings import BalancerSettings, load

TIMEOUT = 10.0  # seconds for a call


@contextmanager
def admin_client(common: Common, balancer: str | None, ca: Path | None) -> Iterator[httpx.Client]:
    """A client of the admin port at `balancer` (a URL; None: the address of the settings), with the token.

    It is verified by `ca` (None: the local authority). Raises `OperationError` when it can't be reached or verified.
    """
    settings = load(BalancerSettings, {}, file=common.settings_file)
    state = common.state
    url = balancer or f"https://{settings.admin}"
    token = settings.token or state.token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    verified = _verified_by(ca or state.ca)
    try:
        with httpx.Client(base_url=url, verify=verified, headers=headers, timeout=TIMEOUT, trust_env=False) as client:
            yield client
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise OperationError(f"cannot reach the balancer at {url}: {error}", hint="is it running there?") from error


def answer(response: httpx.Response) -> Any:  # noqa: ANN401 - whatever JSON says
    """What the balancer answered. Raises `OperationError` with its own words when it refused."""
    try:
        content = response.json()
    except ValueError:
        raise OperationError(f"what answers at {response.url} is not a balancer's admin port") from None
    if response.is_error:
        raise OperationError(f"the balancer refused: {content['message']}")
    return content


def _verified_by(authority: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(authority))
    except (OSError, ssl.SSLError) as error:
        hint = "start `headrace balance` on this machine first, or give --ca FILE"
        raise OperationError(f"cannot read the authority {authority}: {error}", hint=hint) from error
