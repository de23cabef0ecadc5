"""`headrace logs collect`."""

from pathlib import Path

import click

from headrace.certs.authority import Authority
from headrace.cli.listening import announcer, shown
from headrace.cli.options import Common, common_options, examples
from headrace.logs.service import run
from headrace.settings import LogsSettings, TlsSettings, load

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(
    epilog=examples(
        "headrace logs collect",
        "headrace logs collect --file /var/log/shop/log.txt --line json",
        "headrace logs collect --address 127.0.0.1:6000 --plain --open",
    )
)
@click.option("--address", metavar="HOST:PORT", help="Where entries are posted and read.  [default: 0.0.0.0:6000]")
@click.option("--plain", is_flag=True, default=None, help="Plain HTTP/1.1 in place of TLS.")
@click.option("--cert", multiple=True, type=FILE, metavar="FILE", help="Certificate chain (PEM); once for each name.")
@click.option("--key", multiple=True, type=FILE, metavar="FILE", help="Its private key (PEM), in the same order.")
@click.option("--admin", metavar="HOST:PORT", help="Where status and metrics are asked for.  [default: 127.0.0.1:6001]")
@click.option("--token", help="The token of both ports.  [default: the state folder's]")
@click.option("--open", is_flag=True, default=None, help="Ask no token; with an address on loopback only.")
@click.option("--threads", metavar="N", help="Event loop threads.  [default: one for each core]")
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
    tls = load(TlsSettings, {}, file=common.settings_file)
    state = common.state
    token = settings.token or state.token(create=True)
    assert token is not None
    credentials = shown(settings, Authority(state.path / "certs"), tls, "logs")
    run(
        settings,
        credentials,
        token=token,
        state=state.path,
        announce=announcer(common, "logs", settings, f"; entries are written to {settings.file}"),
    )
