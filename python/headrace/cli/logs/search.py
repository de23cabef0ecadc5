"""`headrace logs search`."""

import click

from headrace.cli.logs.asking import asking_options, print_entries
from headrace.cli.options import Common, examples
from headrace.logs.reader import Reader, Wanted


@click.command(
    epilog=examples(
        "headrace logs search timeout --since 1h",
        "headrace logs search --since 2026-11-23T12:00:00Z --until 2026-11-23T12:01:00Z --level ERROR",
        'headrace logs search --source "load balancer" --since 5m --json',
    )
)
@asking_options
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many entries.")
@click.option("--newest-first", is_flag=True, help="Begin with the newest entry.")
@click.option("--until", metavar="TIME", help="Only entries before this time.")
@click.option("--since", metavar="TIME", help="Only entries from this time on: 5m, 1h, 2d ago, or a date.")
def command(common: Common, wanted: Wanted, reader: Reader, limit: int | None, *, newest_first: bool) -> None:
    """Print the entries with TEXT, in the order of their time.

    TEXT is part of the message or of the further fields. Both the file that is written and older ones are searched.
    """
    print_entries(reader.search(wanted, limit=limit, newest_first=newest_first), as_lines_of_json=common.json)
