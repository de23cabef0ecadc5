"""`headrace logs`: a file for each verb."""

import click

from headrace.cli import VerbGroup
from headrace.cli.options import examples

VERBS = {
    "collect": "Run the collector.",
    "tail": "Print the last entries, and follow.",
    "search": "Find entries in all files.",
}


@click.group(
    cls=VerbGroup,
    verbs=VERBS,
    package=__name__,
    epilog=examples(
        "headrace logs collect", "headrace logs tail -f --level WARNING", "headrace logs search timeout --since 1h"
    ),
)
def command() -> None:
    """Collect what is logged everywhere into one file in order of time; follow and search it."""
