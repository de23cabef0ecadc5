"""`headrace settings`."""

import click

from headrace.cli.options import Common, common_options, examples
from headrace.cli.output import as_json, table
from headrace.settings import SECTIONS, explain, sample

SECRETS = ("token", "tokens")


@click.command(
    epilog=examples("headrace settings", "headrace settings balancer", "headrace settings --sample > headrace.toml")
)
@click.option("--sample", "as_sample", is_flag=True, help="Print a commented headrace.toml.")
@click.argument("section", required=False, type=click.Choice([section.name for section in SECTIONS]))
@common_options
def command(common: Common, section: str | None, as_sample: bool) -> None:  # noqa: FBT001 - click's
    """Show the settings as they hold and where each came from."""
    if as_sample:
        click.echo(sample(), nl=False)
        return
    rows = _rows(common, section)
    if common.json:
        as_json([{"setting": setting, "value": value, "source": source} for setting, value, source in rows])
    else:
        click.echo(table(["SETTING", "VALUE", "SOURCE"], rows))


def _rows(common: Common, chosen: str | None) -> list[tuple[str, str, str]]:
    return [
        (f"{section.name}.{row.key}", "(secret)" if row.key in SECRETS and row.value else row.text, row.source)
        for section in SECTIONS
        if chosen in (None, section.name)
        for row in explain(section, {}, file=common.settings_file)
    ]
