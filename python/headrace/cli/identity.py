"""What workers show the balancer: a certificate of this machine's authority, or of the balancer's on another one."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.app.plan import Certificate, Membership
from headrace.app.signing import BalancerAwayError, ask_to_sign, until_there
from headrace.certs.authority import Authority
from headrace.certs.files import Leaf
from headrace.certs.names import host_names
from headrace.certs.remote import RemoteAuthority
from headrace.cli.output import progress
from headrace.settings import AppSettings, TlsSettings
from headrace.state import StateFolder

LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")
EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with what the user asks for


@dataclass(frozen=True)
class Identity:
    """The files that workers show; `renew` makes them anew when they are about to expire."""

    certificate: Certificate
    renew: Callable[[], object]


def is_foreign(ca: Path | None, state: StateFolder) -> bool:
    """Whether `ca` is another machine's authority, and not the one of this state folder."""
    try:
        return ca is not None and (not state.ca.exists() or ca.read_bytes() != state.ca.read_bytes())
    except OSError:
        return True


def local_identity(authority: Authority, settings: AppSettings, tls: TlsSettings) -> Identity:
    """Signed here, for this machine."""
    names = _names(settings, tls)
    fresh = functools.partial(authority.leaf, names, _label([name for name in names if name not in LOCAL_NAMES]))
    return Identity(_shown(fresh(), authority.ca), fresh)


def joined_identity(state: StateFolder, membership: Membership) -> Identity:
    """Signed by the authority of the balancer, for the address under which it reaches this machine.

    Waits for a balancer that is away, unless there is a certificate that it signed before. Raises `OperationError`
    when it refuses.
    """
    authority = RemoteAuthority(state.path / "certs", Path(membership.ca), functools.partial(ask_to_sign, membership))
    label = _label(["joined", membership.url, membership.address or ""])

    def first() -> Leaf:
        try:
            return authority.sign_anew(label)
        except BalancerAwayError:
            return authority.leaf(label)

    return Identity(_shown(until_there(first, progress), authority.ca), functools.partial(authority.leaf, label))


def _shown(leaf: Leaf, ca: Path) -> Certificate:
    return Certificate(str(leaf.certificate), str(leaf.key), str(ca))


def _names(settings: AppSettings, tls: TlsSettings) -> list[str]:
    """What the workers' certificate is for: this machine, and the addresses by which a balancer elsewhere comes."""
    if settings.host in EVERYWHERE:
        return [*host_names(), *filter(None, [settings.address]), *tls.names]
    own = [name for name in (settings.host, settings.address) if name and name not in LOCAL_NAMES]
    return [*LOCAL_NAMES, *own, *(tls.names if own else ())]


def _label(what: Sequence[str]) -> str:
    """One label for each set of names, so that two kinds of app servers don't take turns in renewing one file."""
    digest = hashlib.sha256("-".join(what).encode()).hexdigest()[:12]
    return f"app-{digest}" if what else "app"
