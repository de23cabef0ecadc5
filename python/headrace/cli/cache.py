"""`headrace cache`."""

import click

from headrace.cache.service import run
from headrace.cli.central import log_centrally
from headrace.cli.listening import announcer, entrance, listening_options
from headrace.cli.options import Common, common_options, examples
from headrace.settings import CacheSettings, load
from headrace.settings.values import show_size


@click.command(
    epilog=examples(
        "headrace cache",
        "headrace cache --max-bytes 2g --snapshot /var/lib/shop/cache",
        "headrace cache --address 127.0.0.1:5000 --plain --open",
    )
)
@listening_options("0.0.0.0:5000", "127.0.0.1:5001", public="Where values are put and got.")
@click.option("--token", help="The token of both ports.  [default: the state folder's]")
@click.option("--open", is_flag=True, default=None, help="Ask no token; with an address on loopback only.")
@click.option("--max-bytes", metavar="SIZE", help="Memory for what is kept.  [default: 256 MiB]")
@click.option("--max-value", metavar="SIZE", help="Largest value.  [default: 8 MiB]")
@click.option("--snapshot", metavar="FILE", help="Keeps values from a stop to the next start.")
@click.option("--drain", metavar="TIME", help="Longest time to finish at a stop.  [default: 30s]")
@click.option("--logs", metavar="URL", help="Log to this collector, too, e.g. https://127.0.0.1:6000.")
@common_options
def command(common: Common, **flags: object) -> None:
    """Run the cache; every setting that has no flag stands in `headrace settings cache`."""
    settings = load(CacheSettings, flags, file=common.settings_file)
    way_in = entrance(common, settings, "cache", token=settings.token)
    log_centrally(common, settings.logs, "cache")
    run(
        settings,
        way_in.credentials,
        token=way_in.token,
        announce=announcer(common, "cache", settings, f"; keeps up to {show_size(settings.max_bytes)}"),
    )
