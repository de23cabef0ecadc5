"""`headrace logs tail`."""

from collections.abc import Iterator

import click

from headrace.cli.logs.asking import asking_options, print_entries
from headrace.cli.options import Common, examples
from headrace.logs.reader import Entry, Reader, Wanted

LAST = 20  # entries, where nothing else is said


@click.command(
    epilog=examples(
        "headrace logs tail -f",
        'headrace logs tail -f --level WARNING --source "load balancer"',
        "headrace logs tail -n 100 timeout",
    )
)
@asking_options
@click.option("-n", "last", type=click.IntRange(0, 10_000), default=LAST, show_default=True, help="How many entries.")
@click.option("-f", "--follow", is_flag=True, help="Go on with each new entry, until Ctrl-C.")
def command(common: Common, wanted: Wanted, reader: Reader, last: int, *, follow: bool) -> None:
    """Print the last entries, only those with TEXT if it is given."""
    entries = reader.follow(wanted, last=last) if follow else _last(reader, wanted, last)
    print_entries(entries, as_lines_of_json=common.json)


def _last(reader: Reader, wanted: Wanted, last: int) -> Iterator[Entry]:
    newest_first = list(reader.search(wanted, limit=last, newest_first=True)) if last else []
    return reversed(newest_first)
