"""`headrace balance`."""

import click

from headrace.balancer.claim import claimed
from headrace.balancer.control import run
from headrace.cli.central import log_centrally
from headrace.cli.listening import announcer, entrance, listening_options
from headrace.cli.options import Common, common_options, examples
from headrace.settings import BalancerSettings, load


@click.command(
    epilog=examples(
        "headrace balance",
        "headrace balance --address 127.0.0.1:8080 --plain --servers 127.0.0.1:3000",
        "headrace balance --cert shop.pem --key shop-key.pem --policy least-loaded",
        "headrace balance --cache",
        'headrace balance --routes "/api=api" --routes "shop.example.org=shop"',
    )
)
@listening_options("0.0.0.0:2000", "127.0.0.1:2001", port="Where app servers register.")
@click.option("--token", help="Token of the admin port.  [default: the state folder's]")
@click.option("--policy", metavar="NAME", help="round-robin or least-loaded.  [default: round-robin]")
@click.option("--servers", multiple=True, metavar="URL", help="An app server that doesn't register itself; repeatable.")
@click.option("--routes", multiple=True, metavar="ROUTE", help="host/path=service; repeatable, first match first.")
@click.option("--cache", is_flag=True, default=None, help="Answer from the edge cache what responses allow.")
@click.option("--no-compress", "compress", flag_value=False, default=None, help="Leave responses as apps make them.")
@click.option("--access-log", is_flag=True, default=None, help="Log each request there.")
@click.option("--logs", metavar="URL", help="Log to this collector, too, e.g. https://127.0.0.1:6000.")
@common_options
def command(common: Common, **flags: object) -> None:
    """Run the load balancer; app servers join and leave it by themselves."""
    settings = load(BalancerSettings, flags, file=common.settings_file)
    way_in = entrance(common, settings, "balancer", token=settings.token)
    handler = log_centrally(common, settings.logs, "load balancer")
    log = handler.shipper() if handler else None
    with claimed(common.state.path, settings.admin) as members:
        run(
            settings,
            way_in.credentials,
            way_in.authority.sign,
            token=way_in.token,
            members=members,
            announce=announcer(common, "balancer", settings),
            log=log,
        )
