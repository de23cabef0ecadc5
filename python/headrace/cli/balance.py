"""`headrace balance`."""

from collections.abc import Sequence
from pathlib import Path

import click

from headrace.balancer.certificates import Credentials
from headrace.balancer.control import run
from headrace.certs.authority import Authority
from headrace.certs.names import host_names
from headrace.cli.options import Common, common_options, examples
from headrace.cli.output import as_json, progress
from headrace.errors import UsageError
from headrace.settings import BalancerSettings, TlsSettings, load

FILE = click.Path(path_type=Path, dir_okay=False)
EVERYWHERE = ("0.0.0.0", "[::]")  # noqa: S104 - compared with what the user asks for


@click.command(
    epilog=examples(
        "headrace balance",
        "headrace balance --address 127.0.0.1:8080 --plain --servers 127.0.0.1:3000",
        "headrace balance --cert shop.pem --key shop-key.pem --policy least-loaded",
        'headrace balance --routes "/api=api" --routes "shop.example.org=shop"',
    )
)
@click.option("--address", metavar="HOST:PORT", help="Public address.  [default: 0.0.0.0:2000]")
@click.option("--plain", is_flag=True, default=None, help="Plain HTTP/1.1 in place of TLS.")
@click.option("--cert", multiple=True, type=FILE, metavar="FILE", help="Certificate chain (PEM); once for each name.")
@click.option("--key", multiple=True, type=FILE, metavar="FILE", help="Its private key (PEM), in the same order.")
@click.option("--admin", metavar="HOST:PORT", help="Where app servers register.  [default: 127.0.0.1:2001]")
@click.option("--token", help="Token of the admin port.  [default: the state folder's]")
@click.option("--threads", metavar="N", help="Event loop threads.  [default: one for each core]")
@click.option("--policy", metavar="NAME", help="round-robin or least-loaded.  [default: round-robin]")
@click.option("--servers", multiple=True, metavar="URL", help="An app server that doesn't register itself; repeatable.")
@click.option("--routes", multiple=True, metavar="ROUTE", help="host/path=service; repeatable, first match first.")
@common_options
def command(common: Common, **flags: object) -> None:
    """Run the load balancer; app servers join and leave it by themselves."""
    settings = load(BalancerSettings, flags, file=common.settings_file)
    tls = load(TlsSettings, {}, file=common.settings_file)
    state = common.state
    token = settings.token or state.token(create=True)
    assert token is not None
    scheme = "http" if settings.plain else "https"

    def announce(public: str, admin: str) -> None:
        if common.json:
            as_json({"ready": "balancer", "url": f"{scheme}://{reachable(public)}", "admin": f"https://{admin}"})
        else:
            progress(f"admin port: https://{reachable(admin)}")
            click.echo(f"balancer ready: {scheme}://{reachable(public)}")

    credentials = _credentials(settings, Authority(state.path / "certs"), tls)
    run(settings, credentials, token=token, members=state.membership, announce=announce)


def reachable(address: str) -> str:
    """An address that a browser on this machine can open: `0.0.0.0` is everywhere, so here it is localhost."""
    host, _, port = address.rpartition(":")
    return f"localhost:{port}" if host in EVERYWHERE else address


def _credentials(settings: BalancerSettings, authority: Authority, tls: TlsSettings) -> Credentials:
    listening = [host for host in _hosts(settings) if authority.realm.holds(host)]
    names = list(dict.fromkeys((*host_names(), *listening, *tls.names)))
    leaf = authority.leaf(names, "balancer")
    own = (leaf.certificate, leaf.key)
    return Credentials(
        public=_public_pairs(settings, own),
        admin=own,
        ca=authority.ca,
        names=names,
        renew=lambda: authority.leaf(names, "balancer"),
        renewal=tls.renewal,
        sign=authority.sign,
    )


def _hosts(settings: BalancerSettings) -> Sequence[str]:
    """Where it listens, as far as that is one place."""
    hosts = (address.rpartition(":")[0] for address in (settings.admin, settings.address))
    return [host.strip("[]") for host in hosts if host not in EVERYWHERE]


def _public_pairs(settings: BalancerSettings, own: tuple[Path, Path]) -> Sequence[tuple[Path, Path]]:
    if settings.plain and settings.cert:
        raise UsageError("plain and cert contradict each other", hint="leave one of them out")
    if len(settings.cert) != len(settings.key):
        message = f"there are {len(settings.cert)} certificates and {len(settings.key)} keys"
        raise UsageError(message, hint="give a --key for each --cert, in the same order")
    if settings.plain:
        return []
    return list(zip(settings.cert, settings.key, strict=True)) or [own]
