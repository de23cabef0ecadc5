"""Asks the balancer's authority for the certificate that workers of this machine show."""

import http.client
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlencode

from headrace.app.dial import Dial, words
from headrace.app.lease import FIRST_RETRY, LONGEST_RETRY
from headrace.app.plan import Membership
from headrace.errors import OperationError
from headrace.state import StateFolder

TIMEOUT: Final = 10.0  # seconds for a call

T = TypeVar("T")


class BalancerAwayError(OperationError):
    """Nobody answers there, or not yet: worth another try."""


def ask_to_sign(membership: Membership, request: bytes) -> bytes:
    """The certificate (PEM) that the balancer of `membership` makes of a signing request (PEM).

    It is for the address under which the balancer reaches the workers. Raises `BalancerAwayError`, and `OperationError`
    for a balancer that can't be believed or refuses.
    """
    url = membership.url
    query = urlencode({"address": membership.address} if membership.address else {})
    token = StateFolder(Path(membership.state)).token()
    dial = Dial.to_url(url, membership.ca)
    try:
        reply = dial.ask("POST", f"/certificates?{query}", timeout=TIMEOUT, token=token, body=request)
    except ssl.SSLCertVerificationError as error:
        raise OperationError(
            f"the balancer at {url} isn't of the authority in {membership.ca}: {words(error)}",
            hint="give the ca.pem of its machine by --ca",
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise BalancerAwayError(f"the balancer at {url} is away ({words(error)})") from error
    finally:
        dial.close()
    if reply.status == 200:
        return reply.body
    refusal = f"the balancer at {url} signs no certificate for this machine: {reply.told('message') or reply.status}"
    raise BalancerAwayError(refusal) if reply.status >= 500 else OperationError(refusal)


def until_there(call: Callable[[], T], tell: Callable[[str], None]) -> T:
    """What `call` returns once the balancer is there; `tell` hears once that it isn't."""
    delay, told = FIRST_RETRY, False
    while True:
        try:
            return call()
        except BalancerAwayError as error:
            if not told:
                tell(f"{error}; waiting for it, as the workers' certificate is its authority's to sign")
                told = True
        time.sleep(delay)
        delay = min(delay * 2, LONGEST_RETRY)
