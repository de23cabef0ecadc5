"""`headrace ingest replay`."""

from pathlib import Path
from typing import Final

import click

from headrace.cli.admin import answer
from headrace.cli.ingest.calls import call_options, service
from headrace.cli.options import Common, examples
from headrace.cli.output import as_json
from headrace.errors import OperationError

LONGEST: Final = 600.0  # seconds; what is left then stays where it is


@click.command(epilog=examples("headrace ingest replay"))
@call_options
def command(common: Common, admin: str | None, ca: Path | None) -> None:
    """Give the dead letters to the target again, once what refused them was mended."""
    with service(common, admin, ca) as client:
        said = answer(client.post("/replay", timeout=LONGEST))
    if common.json:
        as_json(said)
    else:
        click.echo(f"landed: {said['landed']:,}")
    if said["refused"]:
        hint = f"the reasons stand in {common.state.path / 'ingest' / 'dead'}"
        raise OperationError(f"refused again: {said['refused']:,}", hint=hint)
