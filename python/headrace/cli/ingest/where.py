"""`headrace ingest where`."""

from dataclasses import asdict

import click

from headrace.cli.options import Common, common_options, examples
from headrace.cli.output import as_json
from headrace.errors import OperationError
from headrace.ingest.manifest import Landed, Manifest


@click.command(epilog=examples("headrace ingest where 4711", "headrace ingest where 4711 --stream orders"))
@click.argument("number", type=click.IntRange(1), metavar="SEQ")
@click.option("--stream", metavar="NAME", help="Its stream, where streams took turns.")
@common_options
def command(common: Common, number: int, stream: str | None) -> None:
    """Tell which object holds the payload that was acknowledged as number SEQ."""
    found = _found(common, number, stream)
    if not found:
        hint = "it may still wait: see `headrace ingest status`, or be among the dead letters"
        raise OperationError(f"payload {number} is in no object yet", hint=hint)
    if common.json:
        as_json([asdict(landed) for landed in found])
    else:
        click.echo("\n".join(landed.place for landed in found))


def _found(common: Common, number: int, stream: str | None) -> list[Landed]:
    """The manifest is asked directly, so the service needn't run."""
    path = common.state.path / "ingest" / "manifest.sqlite"
    if not path.exists():
        raise OperationError(f"nothing has landed from {common.state.path}", hint="choose another folder with --state")
    manifest = Manifest(path)
    try:
        return list(manifest.where(number, stream))
    finally:
        manifest.close()
