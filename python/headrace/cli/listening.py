"""What verbs that listen have in common: options, the certificates that a service shows, and its address for people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click

from headrace.certs.authority import Authority
from headrace.certs.names import host_names
from headrace.cli.options import Common
from headrace.cli.output import as_json, progress
from headrace.errors import UsageError
from headrace.service.certificates import Shown
from headrace.settings import TlsSettings, load

FILE = click.Path(path_type=Path, dir_okay=False)
EVERYWHERE = ("0.0.0.0", "[::]")  # noqa: S104 - compared with what the user asks for


class Listening(Protocol):
    """The settings of a service that listens at a public and an admin address."""

    @property
    def address(self) -> str:
        """The public address, host:port."""

    @property
    def admin(self) -> str:
        """The admin address, host:port."""

    @property
    def plain(self) -> bool:
        """Whether the public address is without TLS."""

    @property
    def cert(self) -> tuple[Path, ...]:
        """Certificate chains to show in place of the local authority's."""

    @property
    def key(self) -> tuple[Path, ...]:
        """Their keys."""


@dataclass(frozen=True)
class Entrance:
    """What lets a service in: the token of its admin port, the local authority, and the certificates that it shows."""

    token: str
    authority: Authority
    credentials: Shown


def listening_options(
    address: str, admin: str, *, public: str = "Public address.", port: str = "Where status and metrics are asked for."
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds where a service listens, with which certificates, on how many threads; the verb gets them as flags.

    `address` and `admin` are the defaults that the help shows, `public` and `port` say what they are for.

    Example:
        @click.command()
        @listening_options("0.0.0.0:7000", "127.0.0.1:7001")
        @common_options
        def command(common: Common, **flags: object) -> None: ...
    """
    options = (
        click.option("--address", metavar="HOST:PORT", help=f"{public}  [default: {address}]"),
        click.option("--plain", is_flag=True, default=None, help="Plain HTTP/1.1 in place of TLS."),
        click.option("--cert", multiple=True, type=FILE, metavar="FILE", help="Certificate (PEM); once for each name."),
        click.option("--key", multiple=True, type=FILE, metavar="FILE", help="Its key (PEM), in the same order."),
        click.option("--admin", metavar="HOST:PORT", help=f"{port}  [default: {admin}]"),
        click.option("--threads", metavar="N", help="Event loop threads.  [default: one for each core]"),
    )

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def entrance(common: Common, settings: Listening, name: str, *, token: str | None = None) -> Entrance:
    """What the service called `name` lets in by; what is missing is made. `token` is one that the settings give."""
    state = common.state
    token = token or state.token(create=True)
    assert token is not None
    authority = Authority(state.path / "certs")
    tls = load(TlsSettings, {}, file=common.settings_file)
    return Entrance(token, authority, shown(settings, authority, tls, name))


def reachable(address: str) -> str:
    """An address that a browser on this machine can open: `0.0.0.0` is everywhere, so here it is localhost."""
    host, _, port = address.rpartition(":")
    return f"localhost:{port}" if host in EVERYWHERE else address


def announcer(common: Common, name: str, settings: Listening, also: str = "") -> Callable[..., None]:
    """Tells of the service called `name` once it serves: where it is, `also` what matters, other places by name."""
    scheme = "http" if settings.plain else "https"

    def announce(public: str, admin: str, **others: str) -> None:
        if common.json:
            as_json({"ready": name, "url": f"{scheme}://{reachable(public)}", "admin": f"https://{admin}", **others})
        else:
            progress(f"admin port: https://{reachable(admin)}{also}")
            for other, address in others.items():
                progress(f"{other}: {address}")
            click.echo(f"{name} ready: {scheme}://{reachable(public)}")

    return announce


def shown(settings: Listening, authority: Authority, tls: TlsSettings, name: str) -> Shown:
    """The certificates of the service called `name`: the user's own, else one that the local authority makes."""
    listening = [host for host in _hosts(settings) if authority.realm.holds(host)]
    names = list(dict.fromkeys((*host_names(), *listening, *tls.names)))
    leaf = authority.leaf(names, name)
    own = (leaf.certificate, leaf.key)
    return Shown(
        public=_public_pairs(settings, own),
        admin=own,
        ca=authority.ca,
        names=names,
        renew=lambda: authority.leaf(names, name),
        renewal=tls.renewal,
    )


def _hosts(settings: Listening) -> Sequence[str]:
    """Where it listens, as far as that is one place."""
    hosts = (address.rpartition(":")[0] for address in (settings.admin, settings.address))
    return [host.strip("[]") for host in hosts if host not in EVERYWHERE]


def _public_pairs(settings: Listening, own: tuple[Path, Path]) -> Sequence[tuple[Path, Path]]:
    if settings.plain and settings.cert:
        raise UsageError("plain and cert contradict each other", hint="leave one of them out")
    if len(settings.cert) != len(settings.key):
        message = f"there are {len(settings.cert)} certificates and {len(settings.key)} keys"
        raise UsageError(message, hint="give a --key for each --cert, in the same order")
    if settings.plain:
        return []
    return list(zip(settings.cert, settings.key, strict=True)) or [own]
