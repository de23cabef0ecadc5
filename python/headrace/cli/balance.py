"""`headrace balance`."""

from pathlib import Path

import click

from headrace.balancer.claim import claimed
from headrace.balancer.control import run
from headrace.certs.authority import Authority
from headrace.cli.central import log_centrally
from headrace.cli.listening import announcer, shown
from headrace.cli.options import Common, common_options, examples
from headrace.settings import BalancerSettings, TlsSettings, load

FILE = click.Path(path_type=Path, dir_okay=False)


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
@click.option("--access-log", is_flag=True, default=None, help="Log each request there.")
@click.option("--logs", metavar="URL", help="Log to this collector, too, e.g. https://127.0.0.1:6000.")
@common_options
def command(common: Common, **flags: object) -> None:
    """Run the load balancer; app servers join and leave it by themselves."""
    settings = load(BalancerSettings, flags, file=common.settings_file)
    tls = load(TlsSettings, {}, file=common.settings_file)
    state = common.state
    token = settings.token or state.token(create=True)
    assert token is not None
    authority = Authority(state.path / "certs")
    credentials = shown(settings, authority, tls, "balancer")
    handler = log_centrally(common, settings.logs, "load balancer")
    log = handler.shipper() if handler else None
    with claimed(state.path, settings.admin) as members:
        run(
            settings,
            credentials,
            authority.sign,
            token=token,
            members=members,
            announce=announcer(common, "balancer", settings),
            log=log,
        )
