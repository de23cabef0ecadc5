"""How verbs talk to the admin port of a running service."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from headrace.cli.options import Common
from headrace.errors import OperationError
from headrace.settings import BalancerSettings, load

TIMEOUT = 10.0  # seconds for a call


@dataclass(frozen=True)
class Service:
    """What errors call a service, and the verb that starts it."""

    name: str
    verb: str


BALANCER = Service("the balancer", "headrace balance")
INGEST = Service("ingest", "headrace ingest")


@contextmanager
def admin_client(common: Common, balancer: str | None, ca: Path | None) -> Iterator[httpx.Client]:
    """A client of the balancer's admin port at `balancer` (a URL; None: the address of the settings).

    It shows the token, and verifies by `ca` (None: the local authority). Raises `OperationError` when the port can't
    be reached or verified.
    """
    settings = load(BalancerSettings, {}, file=common.settings_file)
    url = balancer or f"https://{settings.admin}"
    with client_of(BALANCER, common, url, settings.token, ca) as client:
        yield client


@contextmanager
def client_of(service: Service, common: Common, url: str, token: str | None, ca: Path | None) -> Iterator[httpx.Client]:
    """The same for any service; a token of None is the state folder's."""
    state = common.state
    token = token or state.token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    verified = _verified_by(ca or state.ca, service)
    try:
        with httpx.Client(base_url=url, verify=verified, headers=headers, timeout=TIMEOUT, trust_env=False) as client:
            yield client
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise OperationError(f"cannot reach {service.name} at {url}: {error}", hint="is it running there?") from error


def answer(response: httpx.Response) -> Any:  # noqa: ANN401 - whatever JSON says
    """What the service answered. Raises `OperationError` with its own words when it refused."""
    try:
        content = response.json()
        refusal = content["message"] if response.is_error else None
    except (ValueError, KeyError, TypeError):
        raise OperationError(f"what answers at {response.url} is not an admin port of headrace") from None
    if refusal is not None:
        raise OperationError(f"{response.url.host}:{response.url.port} refused: {refusal}")
    return content


def _verified_by(authority: Path, service: Service) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(authority))
    except (OSError, ssl.SSLError) as error:
        hint = f"start `{service.verb}` on this machine first, or give --ca FILE"
        raise OperationError(f"cannot read the authority {authority}: {error}", hint=hint) from error
