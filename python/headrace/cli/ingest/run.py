"""`headrace ingest run`, or `headrace ingest` for short."""

from pathlib import Path

import click

from headrace.certs.authority import Authority
from headrace.cli.central import log_centrally
from headrace.cli.listening import announcer, shown
from headrace.cli.options import Common, common_options, examples
from headrace.ingest.service import run
from headrace.settings import IngestSettings, TlsSettings, load

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(
    epilog=examples(
        "headrace ingest",
        "headrace ingest --to s3://bucket/raw --workers 8",
        "headrace ingest --paths / --paths /orders --tokens s3cret --format parquet",
        "headrace ingest --address 127.0.0.1:7000 --plain --to shop:store",
    )
)
@click.option("--address", metavar="HOST:PORT", help="Public address.  [default: 0.0.0.0:7000]")
@click.option("--plain", is_flag=True, default=None, help="Plain HTTP/1.1 in place of TLS.")
@click.option("--cert", multiple=True, type=FILE, metavar="FILE", help="Certificate chain (PEM); once for each name.")
@click.option("--key", multiple=True, type=FILE, metavar="FILE", help="Its private key (PEM), in the same order.")
@click.option("--admin", metavar="HOST:PORT", help="Where status and metrics are asked for.  [default: 127.0.0.1:7001]")
@click.option("--threads", metavar="N", help="Event loop threads.  [default: one for each core]")
@click.option("--to", metavar="TARGET", help="A folder, a store's URL, or module:function.  [default: ./landed]")
@click.option("--workers", metavar="N", help="Batches that land at once.  [default: 4]")
@click.option("--queue", metavar="N", help="Most payloads that wait to be landed.  [default: 10000000]")
@click.option("--ack", metavar="WHERE", help="memory, disk or object.  [default: disk]")
@click.option("--paths", multiple=True, metavar="PATH", help="Where is posted: /, /orders, /in=orders; repeatable.")
@click.option("--tokens", multiple=True, metavar="TOKEN", help="What a collection's token may be; repeatable.")
@click.option("--max-length", metavar="SIZE", help="Largest collection.  [default: 1 MiB]")
@click.option("--format", metavar="NAME", help="ndjson.gz, ndjson.zst or parquet.  [default: ndjson.gz]")
@click.option("--objects", metavar="KIND", help="One for each batch, or each payload: batch, each.  [default: batch]")
@click.option("--batch-age", metavar="TIME", help="Longest wait for a batch to grow.  [default: 30s]")
@click.option("--node", metavar="NAME", help="This machine's name in keys.  [default: its host name]")
@click.option("--drain", metavar="TIME", help="Longest time to finish and land at a stop.  [default: 30s]")
@click.option("--logs", metavar="URL", help="Log to this collector, too, e.g. https://127.0.0.1:6000.")
@common_options
def command(common: Common, **flags: object) -> None:
    """Run the service; every setting that has no flag stands in `headrace settings ingest`."""
    settings = load(IngestSettings, flags, file=common.settings_file)
    tls = load(TlsSettings, {}, file=common.settings_file)
    state = common.state
    token = state.token(create=True)
    assert token is not None
    credentials = shown(settings, Authority(state.path / "certs"), tls, "ingest")
    log_centrally(common, settings.logs, "ingest")
    run(
        settings,
        credentials,
        token=token,
        state=state.path,
        announce=announcer(common, "ingest", settings, f"; payloads land in {settings.to}"),
    )
