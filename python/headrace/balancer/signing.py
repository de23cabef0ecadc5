"""Certificates for app servers on other machines, which have no authority that the balancer believes.

Whoever shows the token may send traffic anywhere by registering it, so a certificate for the address that is registered
gives nothing more. One for another of the balancer's own names would: with it, a stranger could pass for the balancer.
"""

import ipaddress
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from headrace.balancer.registration import read_host

# Makes a certificate (PEM) of a signing request (PEM), names and a label.
Sign = Callable[[bytes, Sequence[str], str], bytes]

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")  # a worker that listens everywhere asks itself there
LARGEST_REQUEST: Final = 16 * 1024  # bytes; one for an elliptic curve key has half a kilobyte

log = logging.getLogger(__name__)


class ForbiddenNameError(ValueError):
    """The asker isn't who the certificate would say."""


@dataclass(frozen=True)
class Signing:
    """Answers to signing requests; `own` are the balancer's names."""

    own: Sequence[str]
    sign: Sign

    def answer(self, request: bytes, caller: str, named: str) -> bytes:
        """A certificate for `named`, or for the `caller` itself where it names none."""
        names = names_for(caller, named, self.own)
        certificate = self.sign(request, names, "app server")
        log.info("signed a certificate for %s, asked for by %s", names[-1], caller)
        return certificate


def names_for(caller: str, named: str, own: Sequence[str]) -> list[str]:
    """What the certificate of an app server at `named` (empty: at `caller`) is for.

    Example: `names_for("10.0.0.7", "", ["mill", "10.0.0.1"])[-1] == "10.0.0.7"`.
    Raises `BadRegistrationError` for what is no host, `ForbiddenNameError` for another machine that wants one of `own`.
    """
    host, asker = (read_host(text).strip("[]") for text in (named or caller, caller))
    is_here = asker in own or ipaddress.ip_address(asker).is_loopback
    if host in own and not is_here:
        raise ForbiddenNameError(f"{host} is the balancer's own name; give the app server's by --host or --address")
    return list(dict.fromkeys((*LOOPBACK, host)))
