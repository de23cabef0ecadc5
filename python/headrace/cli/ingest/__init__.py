"""`headrace ingest`: the service, and a file for each verb of those who look after it."""

import click

from headrace.cli import VerbGroup
from headrace.cli.options import examples

VERBS = {
    "run": "Run the service (the default).",
    "status": "Show rates, the queue and what was refused.",
    "where": "Tell which object holds a payload.",
    "replay": "Give the dead letters back.",
    "query": "Run SQL over what has landed.",
    "workers": "Change how many batches land at once.",
}


@click.group(
    cls=VerbGroup,
    verbs=VERBS,
    package=__name__,
    default="run",
    epilog=examples("headrace ingest --to s3://bucket/raw", "headrace ingest status", "headrace ingest run --help"),
)
def command() -> None:
    """Take posted payloads, acknowledge them when they are on disk, and land each once."""
