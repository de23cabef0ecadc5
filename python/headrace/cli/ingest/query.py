"""`headrace ingest query`."""

import click

from headrace.cli.options import Common, common_options, examples
from headrace.cli.output import as_json, table
from headrace.ingest.query import query
from headrace.settings import IngestSettings, load


@click.command(
    epilog=examples(
        'headrace ingest query "select host, count(*) from payloads group by 1"',
        "headrace ingest query --to s3://bucket/raw \"select max(load) from payloads where dt = '2026-01-05'\"",
    )
)
@click.argument("sql")
@click.option("--to", metavar="TARGET", help="Where it landed.  [default: that of the settings]")
@common_options
def command(common: Common, sql: str, to: str | None) -> None:
    """Run SQL over all that has landed: the view `payloads` has a row for each; needs headrace[query]."""
    settings = load(IngestSettings, {"to": to}, file=common.settings_file)
    result = query(settings.to, sql)
    if common.json:
        as_json([dict(zip(result.columns, map(_plain, row), strict=True)) for row in result.rows])
    elif result.columns:
        click.echo(table(result.columns, result.rows))


def _plain(value: object) -> object:
    """What JSON has; times and the like as text."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, (str, int, float)) else str(value)
