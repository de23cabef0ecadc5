"""`headrace ingest workers`."""

from pathlib import Path

import click

from headrace.cli.admin import answer
from headrace.cli.ingest.calls import call_options, service
from headrace.cli.options import Common, examples
from headrace.cli.output import as_json
from headrace.ingest.workers import MOST_WORKERS


@click.command(epilog=examples("headrace ingest workers 8"))
@click.argument("count", type=click.IntRange(1, MOST_WORKERS), metavar="N")
@call_options
def command(common: Common, admin: str | None, ca: Path | None, count: int) -> None:
    """Let N batches land at once, until the service ends; the setting workers is for the next start."""
    with service(common, admin, ca) as client:
        said = answer(client.put("/workers", json={"workers": count}))
    if common.json:
        as_json(said)
    else:
        click.echo(f"{said['workers']} workers")
