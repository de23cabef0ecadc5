"""`headrace ingest run`, or `headrace ingest` for short."""

import click

from headrace.cli.central import log_centrally
from headrace.cli.listening import announcer, entrance, listening_options
from headrace.cli.options import Common, common_options, examples
from headrace.ingest.service import run
from headrace.settings import IngestSettings, load


@click.command(
    epilog=examples(
        "headrace ingest",
        "headrace ingest --to s3://bucket/raw --workers 8",
        "headrace ingest --paths / --paths /orders --tokens s3cret --format parquet",
        "headrace ingest --address 127.0.0.1:7000 --plain --to shop:store",
    )
)
@listening_options("0.0.0.0:7000", "127.0.0.1:7001")
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
    way_in = entrance(common, settings, "ingest")
    log_centrally(common, settings.logs, "ingest")
    run(
        settings,
        way_in.credentials,
        token=way_in.token,
        state=common.state.path,
        announce=announcer(common, "ingest", settings, f"; payloads land in {settings.to}"),
    )
