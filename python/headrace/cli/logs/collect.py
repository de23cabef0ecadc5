"""`headrace logs collect`."""

import click

from headrace.cli.listening import announcer, entrance, listening_options
from headrace.cli.options import Common, common_options, examples
from headrace.logs.service import run
from headrace.settings import LogsSettings, load


@click.command(
    epilog=examples(
        "headrace logs collect",
        "headrace logs collect --file /var/log/shop/log.txt --line json",
        "headrace logs collect --address 127.0.0.1:6000 --plain --open",
        "headrace logs collect --syslog 0.0.0.0:6514 --syslog-from 10.0.0.0/8",
    )
)
@listening_options("0.0.0.0:6000", "127.0.0.1:6001", public="Where entries are posted and read.")
@click.option("--token", help="The token of both ports.  [default: the state folder's]")
@click.option("--open", is_flag=True, default=None, help="Ask no token; with an address on loopback only.")
@click.option("--syslog", metavar="HOST:PORT", help="Where syslog is taken: TLS, or TCP with --plain.  [default: off]")
@click.option("--syslog-from", multiple=True, metavar="NETWORK", help="Who may send it.  [default: this machine]")
@click.option("--file", metavar="FILE", help="The file that is written.  [default: log/log.txt]")
@click.option("--line", metavar="FORM", help="A template, or json.  [default: {time};{level};{source};{message}]")
@click.option("--window", metavar="TIME", help="How long an entry waits for earlier ones.  [default: 2s]")
@click.option("--rotate-bytes", metavar="SIZE", help="Size at which the next file begins.  [default: 100 MiB]")
@click.option("--max-length", metavar="SIZE", help="Largest body.  [default: 4 MiB]")
@click.option("--drain", metavar="TIME", help="Longest time to finish at a stop.  [default: 30s]")
@common_options
def command(common: Common, **flags: object) -> None:
    """Run the collector; every setting that has no flag stands in `headrace settings logs`."""
    settings = load(LogsSettings, flags, file=common.settings_file)
    way_in = entrance(common, settings, "logs", token=settings.token)
    run(
        settings,
        way_in.credentials,
        token=way_in.token,
        state=common.state.path,
        announce=announcer(common, "logs", settings, f"; entries are written to {settings.file}"),
    )
