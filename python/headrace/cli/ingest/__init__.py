"""`headrace ingest`: the service, and a file for each verb of those who look after it."""

import click

from headrace.cli import VerbGroup
from headrace.cli.options import examples

VERBS = {
    "run": "Run the service (the default).",
}


@click.group(
    cls=VerbGroup,
    verbs=VERBS,
    package=__name__,
    default="run",
    epilog=examples("headrace ingest --to s3://bucket/raw", "headrace ingest run --help"),
)
def command() -> None:
    """Take posted payloads, acknowledge them when they are on disk, and land each once."""
